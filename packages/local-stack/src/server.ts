/**
 * The stack's nats-server: its configuration, its port, and the end of an orphaned server that a killed stack left
 * running.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Fault } from "@bioxen/kernel";
import { isAlive } from "@bioxen/nats";
import { SupervisedChild } from "./child.ts";
import type { ServerBinary } from "./server-binary.ts";

const HOST = "127.0.0.1";
/** Longest wait for the server to listen, ms: it first reloads its store, which may be large. */
const LISTEN_DEADLINE_MS = 30_000;
const POLL_INTERVAL_MS = 25;
/** Time from SIGTERM to SIGKILL for an orphaned server, ms. */
const ORPHAN_DEADLINE_MS = 5_000;
/**
 * Limit of the server's file store. It is above the size of every disk, so that the disk itself is the limit. The
 * server's default limit is three quarters of the disk space that is free at its start, and the data that it already
 * stores counts towards that limit. A store above three sevenths of the disk would therefore refuse every append after
 * a restart.
 */
const MAX_FILE_STORE = "1024TB";
const CONFIG_FILE = "nats-server.conf";

export interface OwnServer {
  readonly child: SupervisedChild;
  readonly url: string;
}

export interface ServerOptions {
  readonly binary: ServerBinary;
  readonly dataDir: string;
  readonly port: number | undefined;
  readonly durability: "always" | "relaxed";
  readonly onChange: (child: SupervisedChild) => void;
}

export async function startServer(options: ServerOptions): Promise<OwnServer> {
  const port = options.port ?? (await freePort());
  if (await isOpen(port)) {
    const message = `port ${port} is in use: choose another with --port, or omit --port for a free one`;
    throw new Fault("CONFLICT", message, { retryable: false });
  }
  const configFile = join(options.dataDir, CONFIG_FILE);
  const logFile = join(options.dataDir, "log", "nats-server.log");
  await mkdir(join(options.dataDir, "log"), { recursive: true });
  await writeFile(configFile, configOf(options, port));
  const child = new SupervisedChild(
    {
      name: "nats-server",
      command: options.binary.path,
      args: ["-c", configFile],
      env: process.env,
      logFile,
      speaksReady: false,
    },
    options.onChange,
  );
  child.start();
  const deadline = Date.now() + LISTEN_DEADLINE_MS;
  while (!(await isOpen(port))) {
    if (Date.now() > deadline) {
      await child.stop();
      throw new Fault(
        "UNAVAILABLE",
        `nats-server does not listen; the end of its log:\n${await child.tail()}`,
        {
          retryable: true,
        },
      );
    }
    await sleep(POLL_INTERVAL_MS);
  }
  return { child, url: `nats://${HOST}:${port}` };
}

function configOf({ dataDir, durability }: ServerOptions, port: number): string {
  // `always`: an acknowledged append is on disk. By default the server syncs every 2 minutes, so that a power cut can
  // lose up to 2 minutes of appends.
  const sync = durability === "always" ? "\n  sync_interval: always" : "";
  return `listen: ${JSON.stringify(`${HOST}:${port}`)}
jetstream {
  store_dir: ${JSON.stringify(join(dataDir, "jetstream"))}
  max_file_store: ${MAX_FILE_STORE}${sync}
}
`;
}

/** Returns a port of the loopback interface that is free now. */
async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, HOST, () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: HOST, port });
    const answer = (open: boolean) => {
      socket.destroy();
      resolve(open);
    };
    socket.once("connect", () => answer(true));
    socket.once("error", () => answer(false));
  });
}

/**
 * Stops the nats-server that a killed stack left running. Does nothing unless process `pid` is a nats-server of this
 * data directory.
 */
export async function endOrphan(pid: number | null, dataDir: string): Promise<void> {
  if (pid === null || !isAlive(pid)) return;
  const commandLine = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  if (!commandLine.includes(join(dataDir, CONFIG_FILE))) return;
  process.kill(pid, "SIGTERM");
  const deadline = Date.now() + ORPHAN_DEADLINE_MS;
  while (isAlive(pid)) {
    if (Date.now() > deadline) process.kill(pid, "SIGKILL");
    await sleep(POLL_INTERVAL_MS);
  }
}
