/**
 * Where the built files of the console are.
 *
 * A tarball and an image have them in `dist/`. A checkout builds them at the first call, which takes about a second, and again when a source has
 * changed: the folder has the digest of the sources as its name. `pnpm start` therefore never waits for a build, and no
 * page is older than its sources. The build is a process of its own, so that the bundler is not in the memory of a service.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
const DIST = join(PACKAGE, "dist");
/** What the files are made of, below the folder of all packages. The lock file stands for the versions of libraries. */
const SOURCES = [
  "console/app/**/*",
  "console/vite.config.ts",
  "console/tsconfig.json",
  "plot/src/**/*.ts",
  "cell-models/src/**/*.ts",
  "placement/src/**/*.ts",
  "contracts/src/**/*.ts",
  "kernel/src/**/*.ts",
];
const LOCK_FILE = "../pnpm-lock.yaml";
/** Characters of the digest in the name of a folder: enough that no two sources of a checkout have the same. */
const DIGEST_LENGTH = 16;
/** Age at which the folder of earlier sources is removed, ms: a stack that serves it was restarted by then. */
const KEPT_MS = 86_400_000;
/** Longest build, ms: it takes one second, and ten on a busy machine. */
const BUILD_TIMEOUT_MS = 120_000;

/** Returns the digest of all sources. */
export function sourcesDigest(): string {
  const packages = join(PACKAGE, "..");
  const paths = [...globSync(SOURCES, { cwd: packages }), LOCK_FILE].sort();
  const hash = createHash("sha256");
  for (const path of paths) {
    const full = join(packages, path);
    if (existsSync(full) && statSync(full).isFile()) hash.update(`${path}\0`).update(readFileSync(full));
  }
  return hash.digest("hex").slice(0, DIGEST_LENGTH);
}

/**
 * Returns the folder with `index.html` and the files that it names; builds it if necessary. Throws an error with the
 * output of the bundler when the build fails.
 */
export async function consoleFolder(): Promise<string> {
  if (existsSync(join(DIST, "index.html"))) return DIST;
  const folder = join(DIST, sourcesDigest());
  if (!existsSync(join(folder, "index.html"))) await buildInto(folder);
  return folder;
}

async function buildInto(folder: string): Promise<void> {
  const unfinished = `${folder}.${process.pid}`;
  const script = fileURLToPath(new URL("../scripts/build.ts", import.meta.url));
  await promisify(execFile)(process.execPath, [script, unfinished], { timeout: BUILD_TIMEOUT_MS });
  try {
    renameSync(unfinished, folder);
  } catch (thrown) {
    rmSync(unfinished, { recursive: true, force: true });
    // Another process has built the same sources meanwhile.
    if (!existsSync(join(folder, "index.html"))) throw thrown;
  }
  for (const name of globSync("*", { cwd: DIST })) {
    const path = join(DIST, name);
    if (path !== folder && Date.now() - statSync(path).mtimeMs > KEPT_MS)
      rmSync(path, { recursive: true, force: true });
  }
}
