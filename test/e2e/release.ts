/**
 * An earlier release of BioXen as processes: its source from the history of this repository, on the packages that are
 * installed here when both releases want the same ones.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** The folder of the present release. */
export const PRESENT = fileURLToPath(new URL("../../", import.meta.url));
const GROUPS = ["packages", "services"];
const INSTALL = ["-y", "pnpm@10.34.9", "install", "--frozen-lockfile"];

/** Returns true when this checkout has the commit: a shallow clone and an unpacked archive have none. */
export function hasCommit(commit: string): boolean {
  try {
    execFileSync("git", ["cat-file", "-e", `${commit}^{commit}`], { cwd: PRESENT, stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Unpacks a commit into a temporary folder, with its dependencies, and returns the folder. */
export function releaseOf(commit: string): string {
  const folder = mkdtempSync(join(tmpdir(), "bioxen-release-"));
  const archive = execFileSync("git", ["archive", commit], { cwd: PRESENT, maxBuffer: 2 ** 30 });
  execFileSync("tar", ["-x", "-C", folder], { input: archive });
  if (wantsWhatIsInstalled(folder)) {
    symlinkSync(join(PRESENT, "node_modules"), join(folder, "node_modules"));
    for (const part of partsOf(folder)) {
      const modules = join(part, "node_modules");
      if (existsSync(join(PRESENT, modules)))
        cpSync(join(PRESENT, modules), join(folder, modules), { recursive: true, verbatimSymlinks: true });
    }
    return folder;
  }
  try {
    execFileSync("npx", [...INSTALL, "--offline"], { cwd: folder, stdio: "ignore" });
  } catch {
    execFileSync("npx", INSTALL, { cwd: folder, stdio: "inherit" });
  }
  return folder;
}

function partsOf(folder: string): string[] {
  return GROUPS.flatMap((group) => readdirSync(join(folder, group)).map((name) => join(group, name)));
}

/** Returns true when every dependency of the release is installed here in the version that the release wants. */
function wantsWhatIsInstalled(folder: string): boolean {
  const isPatched = (root: string) => readFileSync(join(root, "pnpm-workspace.yaml"), "utf8");
  if (isPatched(folder) !== isPatched(PRESENT)) return false;
  return partsOf(folder).every((part) => {
    const [wanted, present] = [folder, PRESENT].map((root) => dependenciesOf(join(root, part)));
    return Object.entries(wanted ?? {}).every(([name, version]) => present?.[name] === version);
  });
}

function dependenciesOf(part: string): Readonly<Record<string, string>> {
  const manifest = join(part, "package.json");
  return existsSync(manifest) ? JSON.parse(readFileSync(manifest, "utf8")).dependencies : {};
}

/** One process of a service. */
export class ServiceProcess {
  readonly name: string;
  /** The lines of its log, at level `info` and above. */
  readonly log: string[] = [];
  readonly #child: ChildProcess;

  private constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on("line", (line) => this.log.push(line));
    }
  }

  /** Starts the service of the release in `folder`; resolves once it is ready. Rejects with its log when it ends. */
  static async start(folder: string, name: string, env: NodeJS.ProcessEnv): Promise<ServiceProcess> {
    const child = spawn(process.execPath, [join(folder, "services", name, "main.ts")], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    const started = new ServiceProcess(name, child);
    const over = new AbortController();
    const ended = once(child, "exit", { signal: over.signal }).then(([code]) => {
      throw new Error(`${name} of ${folder} ended with ${code}:\n${started.log.join("\n")}`);
    });
    ended.catch(() => undefined);
    await Promise.race([once(child, "message"), ended]);
    over.abort();
    return started;
  }

  /** Asks the process to end; resolves once it has ended. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await gone;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}
