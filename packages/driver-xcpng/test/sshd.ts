/**
 * A real OpenSSH server on a loopback address, run by this user with its own keys, for tests of SSH into machines.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { accessSync, constants, readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { eventually } from "@bioxen/testkit/eventually";

/**
 * Path of the server; undefined when it is not installed, or when this system has no `/proc` to look for its processes.
 */
export function sshdPath(): string | undefined {
  if (process.platform !== "linux") return undefined;
  return ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"].find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export interface Sshd {
  readonly port: number;
  readonly user: string;
  readonly keyFile: string;
  /** A key that the server does not accept. */
  readonly strangerKeyFile: string;
  /** Fingerprint of its host key, as `ssh-keygen -l` prints it. */
  readonly fingerprint: string;
  /** The line for its host key in a `known_hosts` file, without the name. */
  readonly hostKey: string;
  readonly folder: string;
  /** Number of connected clients. */
  connections(): number;
  /** Kills the server and the processes of its connections. Programs of the clients continue. */
  kill(): void;
  close(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function keyPair(file: string): void {
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", file]);
}

export async function startSshd(path: string): Promise<Sshd> {
  const folder = await mkdtemp(join(tmpdir(), "bioxen-sshd-"));
  const at = (name: string): string => join(folder, name);
  for (const name of ["host", "user", "stranger"]) keyPair(at(name));
  await writeFile(at("authorized_keys"), await readFile(at("user.pub")));
  const port = await freePort();
  const settings = [
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${at("host")}`,
    `PidFile ${at("pid")}`,
    `AuthorizedKeysFile ${at("authorized_keys")}`,
    // The key files are below /tmp, which is writable for all users; StrictModes would reject that.
    "StrictModes no",
    "PasswordAuthentication no",
    "PermitRootLogin prohibit-password",
    "UsePAM no",
    // An empty home, so that the start-up files of this user's shell have no effect.
    `SetEnv HOME=${folder}`,
  ];
  await writeFile(at("config"), `${settings.join("\n")}\n`);
  // A server started by root needs this folder for privilege separation; usually its service unit creates it.
  if (process.getuid?.() === 0) await mkdir("/run/sshd", { recursive: true });
  const stderr: string[] = [];
  const child = spawn(path, ["-D", "-e", "-f", at("config")], { stdio: ["ignore", "ignore", "pipe"] });
  child.stderr.on("data", (data: Buffer) => stderr.push(data.toString()));
  await eventually(
    `sshd listens: ${stderr.join("")}`,
    () => stderr.join("").includes("Server listening") || undefined,
  );
  const [type, key] = (await readFile(at("host.pub"), "utf8")).split(" ");
  const listed = execFileSync("ssh-keygen", ["-lf", at("host.pub")], { encoding: "utf8" });
  return {
    port,
    user: userInfo().username,
    keyFile: at("user"),
    strangerKeyFile: at("stranger"),
    fingerprint: listed.split(" ")[1] ?? "",
    hostKey: `${type} ${key}`,
    folder,
    connections: () => childrenOf(child.pid ?? 0).length,
    kill: () => killTree(child),
    async close() {
      killTree(child);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Kills the server and the processes of its connections, but not the programs that they started. */
function killTree(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  for (const pid of childrenOf(child.pid)) {
    for (const grandchild of childrenOf(pid)) if (isSshd(grandchild)) kill(grandchild);
    kill(pid);
  }
  child.kill("SIGKILL");
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // The process has already ended.
  }
}

/** Every process of this host, from `/proc`: id, parent, name and command line. */
function processes(): readonly { pid: number; parent: number; name: string; line: string }[] {
  return readdirSync("/proc").flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const [, name = "", parent] =
        /^\d+ \((.*)\) \S+ (\d+)/.exec(readFileSync(`/proc/${entry}/stat`, "utf8")) ?? [];
      const line = readFileSync(`/proc/${entry}/cmdline`, "utf8").replaceAll("\0", " ");
      return [{ pid: Number(entry), parent: Number(parent), name, line }];
    } catch {
      // The process ended during the listing.
      return [];
    }
  });
}

function childrenOf(pid: number): readonly number[] {
  return processes().flatMap((one) => (one.parent === pid ? [one.pid] : []));
}

function isSshd(pid: number): boolean {
  return processes().some((one) => one.pid === pid && one.name.startsWith("sshd"));
}

/** Command lines of all processes that contain `text`. */
export function processesWith(text: string): readonly string[] {
  return processes().flatMap(({ line }) => (line.includes(text) ? [line] : []));
}
