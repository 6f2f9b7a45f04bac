/**
 * The stack's nats-server: its ports and its start. Its configuration is in server-config.ts.
 */
import { rm, writeFile } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Fault } from "@bioxen/kernel";
import { SupervisedChild } from "./child.ts";
import { SERVER_CONFIG, serverArguments } from "./leftovers.ts";
import { makePrivateDirectory } from "./make-directory.ts";
import type { ServerBinary } from "./server-binary.ts";
import { checkConfiguration, configOf, HOST, type ServerSettings } from "./server-config.ts";
import { serverEnvironment } from "./server-environment.ts";
import { moveStreams } from "./store-account.ts";

/** Longest wait for the server to listen, ms: it first reloads its store, which may be large. */
const LISTEN_DEADLINE_MS = 30_000;
const POLL_INTERVAL_MS = 25;
/** Longest attempt to connect to a port of this machine, ms. */
const CONNECT_TIMEOUT_MS = 1_000;
export interface OwnServer {
  readonly child: SupervisedChild;
  readonly url: string;
}

export interface ServerOptions extends Omit<ServerSettings, "port"> {
  readonly binary: ServerBinary;
  readonly port: number | undefined;
  readonly onChange: (child: SupervisedChild) => void;
  /** Called with the child before it starts, so that the caller can stop it during the start. */
  readonly onChild?: (child: SupervisedChild) => void;
  /**
   * Returns the path of the file with the accounts of the server, below the data directory, once its address is known.
   * Default: every client may do everything.
   */
  readonly accounts?: ((url: string) => Promise<string>) | undefined;
  /** Interrupts the wait until the server listens. The process of the server keeps running. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Starts the server, and resolves when it listens. Throws `Fault` CONFLICT when a port is in use, BAD_REQUEST when the
 * server does not accept its configuration, and UNAVAILABLE when it does not listen in time.
 */
export async function startServer(options: ServerOptions): Promise<OwnServer> {
  const { websocket } = options;
  const port = options.port ?? (await freePort());
  await refuseUsedPort(port, "choose another with --port, or omit --port for a free one");
  if (websocket !== undefined) await refuseUsedPort(websocket.port, "choose another with --websocket");
  const configFile = join(options.dataDir, SERVER_CONFIG);
  const logFile = join(options.dataDir, "log", "nats-server.log");
  for (const folder of ["log", "jetstream"]) await makePrivateDirectory(join(options.dataDir, folder));
  await moveStreams(join(options.dataDir, "jetstream"), options.accounts !== undefined);
  const accounts = await options.accounts?.(urlOf(options, port));
  await rm(configFile, { force: true });
  await writeFile(configFile, configOf({ ...options, port }) + includeOf(options.dataDir, accounts), {
    mode: 0o600,
  });
  await checkConfiguration(options.binary, configFile);
  const child = new SupervisedChild(
    {
      name: "nats-server",
      command: options.binary.path,
      args: serverArguments(options.dataDir),
      env: serverEnvironment(),
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
  return { child, url: urlOf(options, port) };
}

/** Returns the line that includes a file. The server takes the path as one below the folder of its configuration. */
function includeOf(dataDir: string, path: string | undefined): string {
  return path === undefined ? "" : `include ${JSON.stringify(relative(dataDir, path))}\n`;
}

async function refuseUsedPort(port: number, remedy: string): Promise<void> {
  if (!(await isOpen(port))) return;
  throw new Fault("CONFLICT", `port ${port} is in use: ${remedy}`, { retryable: false });
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

function urlOf({ tls }: Pick<ServerOptions, "tls">, port: number): string {
  return `${tls === undefined ? "nats" : "tls"}://${HOST}:${port}`;
}
