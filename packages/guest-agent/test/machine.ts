/** A machine for tests: a folder with the agent's files, a xenstore, and the processes of the agent. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterAll } from "vitest";
import { buildBundle } from "../scripts/build.ts";
import { call, isAnswered } from "../src/call.ts";
import {
  type CellOperation,
  type CellReply,
  type CellRequest,
  type CellSpec,
  parseReply,
} from "../src/protocol.ts";
import { FakeXenstore, type Tools } from "./fake-xenstore.ts";

/** Deadline for one condition, ms: long, because the machine of the tests can be busy. */
const DEADLINE_MS = 60_000;

/** The agent as one file, built once per test file. Its many processes start faster from one file than from sources. */
let bundle: Promise<string> | undefined;
async function bundlePath(): Promise<string> {
  bundle ??= mkdtemp(join(tmpdir(), "bioxen-cell-")).then(buildBundle);
  return bundle;
}
afterAll(async () => {
  if (bundle !== undefined) await rm(dirname(await bundle), { recursive: true, force: true });
});

export const SPEC: CellSpec = {
  vmId: "cell-1",
  incarnation: 1,
  fence: 10,
  biologicalType: "syn3a",
  seed: 42,
  allocation: {},
  config: {},
};

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface MachineOptions {
  /** Package of the xenstore tools; none without it. */
  readonly tools?: Tools | undefined;
  /** Command line in front of the agent's arguments; default: Node with the built agent. */
  readonly command?: readonly string[] | undefined;
  readonly saveMs?: number | undefined;
}

export class Machine {
  readonly dir: string;
  readonly stateDir: string;
  readonly socket: string;
  /** What the agent's processes have written to stderr. */
  journal = "";
  readonly #command: readonly string[];
  readonly #saveMs: number;
  readonly #xenstore: FakeXenstore | undefined;
  #agent: ChildProcess | undefined;

  private constructor(
    dir: string,
    command: readonly string[],
    saveMs: number,
    xenstore: FakeXenstore | undefined,
  ) {
    this.dir = dir;
    this.stateDir = join(dir, "state");
    this.socket = join(dir, "run", "cell.sock");
    this.#command = command;
    this.#saveMs = saveMs;
    this.#xenstore = xenstore;
  }

  static async create({ tools, command, saveMs = 60_000 }: MachineOptions = {}): Promise<Machine> {
    const dir = await mkdtemp(join(tmpdir(), "bioxen-machine-"));
    const xenstore = tools && (await FakeXenstore.create(join(dir, "xenstore"), tools));
    return new Machine(dir, command ?? [process.execPath, await bundlePath()], saveMs, xenstore);
  }

  get xenstore(): FakeXenstore {
    if (this.#xenstore === undefined) throw new Error("this machine has no xenstore tools");
    return this.#xenstore;
  }

  /** Starts the agent, and waits until it answers. */
  async boot(): Promise<void> {
    const args = ["run", "--state-dir", this.stateDir, "--poll-ms", "50", "--save-ms", String(this.#saveMs)];
    const agent = this.#spawn([...args, "--socket", this.socket]);
    this.#agent = agent;
    agent.stderr?.on("data", (chunk: Buffer) => {
      this.journal += chunk.toString();
    });
    await this.until("the agent answers", async () => {
      if (agent.exitCode !== null) throw new Error(`the agent ended: ${this.journal}`);
      return isAnswered(this.socket);
    });
  }

  /** Sends a signal to the agent, and waits for its end. Returns its exit code. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const agent = this.#agent;
    if (agent === undefined || agent.exitCode !== null || agent.signalCode !== null) return null;
    const end = once(agent, "exit");
    agent.kill(signal);
    await end;
    return agent.exitCode;
  }

  /** Runs a second agent on the state folder of the machine, with another socket, until it ends. */
  async second(): Promise<Ended> {
    const socket = join(this.dir, "other", "cell.sock");
    return this.#ended(this.#spawn(["run", "--socket", socket, "--state-dir", this.stateDir]));
  }

  signal(signal: NodeJS.Signals): void {
    this.#agent?.kill(signal);
  }

  /** Runs the command with these arguments and the input on stdin. */
  async run(command: string, input = ""): Promise<Ended> {
    const child = this.#spawn([command, "--socket", this.socket, "--state-dir", this.stateDir]);
    return this.#ended(child, input);
  }

  async #ended(child: ChildProcess, input = ""): Promise<Ended> {
    let stdout = "";
    let stderr = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    // The command may end before it has read all of a request that is too long.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
    const [code] = (await once(child, "close")) as [number | null];
    return { code, stdout, stderr };
  }

  /** Sends a request over the socket. Throws the error of a failure. */
  async call<Op extends CellOperation>(request: CellRequest & { readonly op: Op }): Promise<CellReply<Op>> {
    return parseReply(request.op, await call(this.socket, JSON.stringify(request)));
  }

  /** Waits until `condition` returns a value that is not undefined or false, and returns it. */
  async until<T>(name: string, condition: () => Promise<T | undefined | false>): Promise<T> {
    const endMs = performance.now() + DEADLINE_MS;
    while (performance.now() < endMs) {
      const value = await condition();
      if (value !== undefined && value !== false) return value;
      const { promise, resolve } = Promise.withResolvers<void>();
      setTimeout(resolve, 20);
      await promise;
    }
    throw new Error(`not within ${DEADLINE_MS} ms: ${name}\n${this.journal}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL");
    await rm(this.dir, { recursive: true, force: true });
  }

  #spawn(args: readonly string[]): ChildProcess {
    const [program = "", ...before] = this.#command;
    // The system's own xenstore tools, if there are any, must not be found.
    const path = [...(this.#xenstore === undefined ? [] : [this.#xenstore.bin]), "/usr/bin", "/bin"];
    return spawn(program, [...before, ...args], {
      cwd: this.dir,
      env: { ...process.env, PATH: path.join(delimiter) },
      stdio: ["pipe", "pipe", "pipe"],
    });
  }
}
