/**
 * A real nats-server for one test file, with its own port and a store that `stop` deletes.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findServerBinary } from "@bioxen/local-stack";
import { eventually } from "./eventually.ts";

const CONFIG = "server.conf";

export class TestServer {
  readonly url: string;
  readonly #port: number;
  readonly #dir: string;
  readonly #binary: string;
  readonly #hasJetStream: boolean;
  #process: ChildProcess;

  private constructor(
    { binary, dir, hasJetStream }: { binary: string; dir: string; hasJetStream: boolean },
    port: number,
    process: ChildProcess,
  ) {
    this.#binary = binary;
    this.#dir = dir;
    this.#hasJetStream = hasJetStream;
    this.#port = port;
    this.#process = process;
    this.url = `nats://127.0.0.1:${port}`;
  }

  /**
   * Starts a server. `settings` are lines of configuration in addition to those that every test server has.
   * `hasJetStream`: default true.
   */
  static async start(settings = "", { hasJetStream = true } = {}): Promise<TestServer> {
    const { path: binary } = await findServerBinary();
    const dir = await mkdtemp(join(tmpdir(), "bioxen-nats-"));
    await writeFile(join(dir, CONFIG), settings);
    const process = run({ binary, dir, hasJetStream, port: -1 });
    const port = await portOf(dir);
    return new TestServer({ binary, dir, hasJetStream }, port, process);
  }

  /** The port on which clients connect. */
  get port(): number {
    return this.#port;
  }

  /** Replaces the lines of configuration, for the next start of the server. */
  async configure(settings: string): Promise<void> {
    await writeFile(join(this.#dir, CONFIG), settings);
  }

  /** Ends the server without a shutdown, as a power cut does. */
  async kill(): Promise<void> {
    const gone = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGKILL");
    await gone;
  }

  /** Shuts the server down cleanly. The server writes an index of its store, and trusts the index at the next start. */
  async shutDown(): Promise<void> {
    const gone = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGTERM");
    await gone;
  }

  /** Folder of all streams; while the server is down, tests may damage them. */
  get storeDir(): string {
    return join(this.#dir, "store");
  }

  /** Starts the killed server on the same port and store. */
  async startAgain(): Promise<void> {
    await clearPorts(this.#dir);
    this.#process = run({
      binary: this.#binary,
      dir: this.#dir,
      hasJetStream: this.#hasJetStream,
      port: this.#port,
    });
    await portOf(this.#dir);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) await this.kill();
    await rm(this.#dir, { recursive: true, force: true });
  }
}

interface Run {
  readonly binary: string;
  readonly dir: string;
  readonly hasJetStream: boolean;
  /** Port for clients; with -1, the server chooses a free port. */
  readonly port: number;
}

function run({ binary, dir, hasJetStream, port }: Run): ChildProcess {
  const args = [
    "-c",
    join(dir, CONFIG),
    "-a",
    "127.0.0.1",
    "-p",
    String(port),
    ...(hasJetStream ? ["-js", "-sd", join(dir, "store")] : []),
    "--ports_file_dir",
    dir,
  ];
  return spawn(binary, args, { stdio: "ignore" });
}

async function portsFiles(dir: string): Promise<string[]> {
  return (await readdir(dir)).filter((name) => name.endsWith(".ports")).map((name) => join(dir, name));
}

async function clearPorts(dir: string): Promise<void> {
  for (const path of await portsFiles(dir)) await rm(path);
}

/** Resolves with the server's port once the server listens and has written its port to a file in `dir`. */
function portOf(dir: string): Promise<number> {
  return eventually("the server listens", async () => {
    const [path] = await portsFiles(dir);
    const text = path === undefined ? "" : await readFile(path, "utf8");
    const port = /127\.0\.0\.1:(\d+)/.exec(text)?.[1];
    return port === undefined ? undefined : Number(port);
  });
}
