/**
 * Copies the runtime files of a service from an installed workspace: its source, the workspace packages that it
 * imports, and the production dependencies of both. Symlinks stay symlinks: Node strips no types inside `node_modules`,
 * so the files of workspace packages must stay outside.
 *
 * Usage: `node deploy/production-tree.ts <workspace> <target> <folder>...` makes one tree in `<target>/<folder>` for
 * each folder. It needs no shell, network or package manager, so it runs inside an image build.
 */
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  symlinkSync,
} from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** Paths that a running service does not need. */
const LEFT_OUT = /(^|\/)(node_modules|test|golden|coverage)(\/|$)|\.test\.ts$/;

class ProductionTree {
  readonly #workspace: string;
  readonly #target: string;
  readonly #done = new Set<string>();
  /** The packages that depend on a package; all are real folders. */
  readonly #dependents = new Map<string, Set<string>>();
  /** Optional and peer dependencies that a package does not find by itself. */
  readonly #missing: { readonly folder: string; readonly name: string }[] = [];

  constructor(workspace: string, target: string) {
    this.#workspace = realpathSync(workspace);
    this.#target = resolve(target);
  }

  /** Copies the package in `folder` and, recursively, its dependencies. */
  make(folder: string): void {
    this.#add(folder, undefined);
    // An installation without development dependencies has the peers of a package only in the packages that use it.
    for (const { folder: from, name } of this.#missing.splice(0)) this.#linkPeer(from, name);
  }

  #add(folder: string, dependent: string | undefined): void {
    const real = realpathSync(folder);
    if (dependent !== undefined) {
      this.#dependents.set(real, (this.#dependents.get(real) ?? new Set()).add(dependent));
    }
    if (this.#done.has(real)) return;
    this.#done.add(real);
    const place = relative(this.#workspace, real);
    if (place.startsWith("..")) throw new Error(`${real} is outside of the workspace ${this.#workspace}`);
    const inStore = place.includes("node_modules");
    cpSync(real, join(this.#target, place), {
      recursive: true,
      dereference: false,
      filter: (source) => inStore || !LEFT_OUT.test(relative(real, source)),
    });
    const { required, optional } = dependenciesOf(real);
    for (const name of required) this.#link(real, name, false);
    for (const name of optional) this.#link(real, name, true);
  }

  /**
   * Copies the dependency `name` of the package in the folder `from`, and the symlink by which Node finds that
   * dependency. Throws when the dependency is missing and not optional.
   */
  #link(from: string, name: string, isOptional: boolean): void {
    const link = linkTo(name, from);
    if (link === undefined) {
      if (isOptional) {
        this.#missing.push({ folder: from, name });
        return;
      }
      throw new Error(`${from} needs ${name}, which is not in the build's context: see .dockerignore`);
    }
    const copy = join(this.#target, relative(this.#workspace, link));
    if (lstatSync(link).isSymbolicLink() && lstatSync(copy, { throwIfNoEntry: false }) === undefined) {
      mkdirSync(dirname(copy), { recursive: true });
      symlinkSync(readlinkSync(link), copy);
    }
    this.#add(link, from);
  }

  /** Links a dependency that only a package upwards has: one that depends on `from`, directly or not. */
  #linkPeer(from: string, name: string): void {
    const reached = new Set([from]);
    for (const folder of reached) {
      const link = folder === from ? undefined : linkTo(name, folder);
      if (link === undefined) {
        for (const dependent of this.#dependents.get(folder) ?? []) reached.add(dependent);
        continue;
      }
      this.#add(link, from);
      const copied = join(this.#target, relative(this.#workspace, realpathSync(link)));
      const own = join(this.#target, relative(this.#workspace, from), "node_modules", name);
      mkdirSync(dirname(own), { recursive: true });
      symlinkSync(relative(dirname(own), copied), own);
      return;
    }
  }
}

function dependenciesOf(folder: string) {
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
  const { dependencies = {}, optionalDependencies = {}, peerDependencies = {} } = manifest;
  // A running service compiles nothing, so it needs no type packages.
  const runs = (names: object) => Object.keys(names).filter((name) => !name.startsWith("@types/"));
  const optional = runs({ ...optionalDependencies, ...peerDependencies });
  return { required: runs(dependencies).filter((name) => !optional.includes(name)), optional };
}

/**
 * Returns the path at which Node finds the dependency `name` of the package in the folder `from`: in the nearest
 * `node_modules` upwards from that folder. Returns undefined when no such path exists.
 */
function linkTo(name: string, from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const nodeModules = basename(folder) === "node_modules" ? folder : join(folder, "node_modules");
    if (existsSync(join(nodeModules, name))) return join(nodeModules, name);
    if (folder === dirname(folder)) return undefined;
  }
}

const [workspace, target, ...folders] = process.argv.slice(2);
if (workspace === undefined || target === undefined || folders.length === 0) {
  console.error("usage: node deploy/production-tree.ts <workspace> <target> <folder>...");
  process.exit(2);
}
for (const folder of folders)
  new ProductionTree(workspace, join(target, folder)).make(join(workspace, folder));
