/**
 * The stack's nats-server: its configuration, its port and its start.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Fault } from "@bioxen/kernel";
import { SupervisedChild } from "./child.ts";
import { SERVER_CONFIG, serverArguments } from "./leftovers.ts";
import type { ServerBinary } from "./server-binary.ts";

const HOST = "127.0.0.1";
/** Longest wait for the server to listen, ms: it first reloads its store, which may be large. */
const LISTEN_DEADLINE_MS = 30_000;
const POLL_INTERVAL_MS = 25;
/** Longest attempt to connect to a port of this machine, ms. */
const CONNECT_TIMEOUT_MS = 1_000;
/**
 * Limit of the server's file store. It is above the size of every disk, so that the disk itself is the limit. The
 * server's default limit is three quarters of the disk space that is free at its start, and the data that it already
 * stores counts towards that limit. A store above three sevenths of the disk would therefore refuse every append after
 * a restart.
 */
const MAX_FILE_STORE = "1024TB";

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
  /** Called with the child before it starts, so that the caller can stop it during the start. */
  readonly onChild?: (child: SupervisedChild) => void;
  /** Interrupts the wait until the server listens. The process of the server keeps running. */
  readonly signal?: AbortSignal | undefined;
}

export async function startServer(options: ServerOptions): Promise<OwnServer> {
  const port = options.port ?? (await freePort());
  if (await isOpen(port)) {
    const message = `port ${port} is in use: choose another with --port, or omit --port for a free one`;
    throw new Fault("CONFLICT", message, { retryable: false });
  }
  const configFile = join(options.dataDir, SERVER_CONFIG);
  const logFile = join(options.dataDir, "log", "nats-server.log");
  await mkdir(join(options.dataDir, "log"), { recursive: true });
  await writeFile(configFile, configOf(options, port));
  const child = new SupervisedChild(
    {
      name: "nats-server",
      command: options.binary.path,
      args: serverArguments(options.dataDir),
      env: process.env,
      logFile,
      speaksReady: false,
    },
    options.onChange,
  );
  options.signal?.throwIfAborted();
  options.onChild?.(child);
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
    await sleep(POLL_INTERVAL_MS, undefined, { signal: options.signal });
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
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => answer(false));
    socket.once("connect", () => answer(true));
    socket.once("error", () => answer(false));
  });
}
