/**
 * A real stack on a directory of its own, and what outsiders have: a bare NATS client and the `bioxen` command.
 */
import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type LocalStack, type LocalStackOptions, startLocalStack } from "@bioxen/local-stack";
import { eventually } from "@bioxen/testkit/eventually";
import { connect, headers, type MsgHdrs, type NatsConnection } from "@nats-io/transport-node";

export const CLI = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));
const ASK_TIMEOUT_MS = 20_000;
const LOOK_TIMEOUT_MS = 1_000;

export { eventually };

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

// biome-ignore lint/suspicious/noExplicitAny: an outsider knows no types.
export type Json = any;

export class World {
  readonly dir: string;
  readonly #options: LocalStackOptions;
  stack: LocalStack;
  nats: NatsConnection;

  private constructor(dir: string, options: LocalStackOptions, stack: LocalStack, nats: NatsConnection) {
    this.dir = dir;
    this.#options = options;
    this.stack = stack;
    this.nats = nats;
  }

  static async open(options: LocalStackOptions = {}): Promise<World> {
    const dir = await mkdtemp(join(tmpdir(), "bioxen-e2e-"));
    const full = { timeScale: 60, logLevel: "warn", ...options, dataDir: join(dir, "data"), home: dir };
    const stack = await startLocalStack(full);
    return new World(dir, full, stack, await connect({ servers: stack.url }));
  }

  /** Everything ends, and begins again on the same data. */
  async restart(): Promise<void> {
    await this.nats.close();
    await this.stack.stop();
    this.stack = await startLocalStack(this.#options);
    this.nats = await connect({ servers: this.stack.url });
  }

  /** A client that never gives up and looks for the server often. */
  async reconnectForEver(): Promise<void> {
    await this.nats.close();
    this.nats = await connect({ servers: this.stack.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  }

  async close(): Promise<void> {
    if (!this.nats.isClosed()) await this.nats.close();
    await this.stack.stop();
    await rm(this.dir, { recursive: true, force: true });
  }

  headersOf(fields: Readonly<Record<string, string>>): MsgHdrs {
    const h = headers();
    for (const [name, value] of Object.entries(fields)) h.set(name, value);
    return h;
  }

  async send(subject: string, bytes: string | Uint8Array, messageId?: string): Promise<Json> {
    const h = this.headersOf(messageId === undefined ? {} : { "Nats-Msg-Id": messageId });
    return (await this.nats.request(subject, bytes, { timeout: ASK_TIMEOUT_MS, headers: h })).json();
  }

  ask(subject: string, payload: unknown, messageId?: string): Promise<Json> {
    return this.send(`bioxen.${subject}`, JSON.stringify(payload), messageId);
  }

  /** The reply, or an empty object when there is none soon: for those who look again anyway. */
  async look(subject: string, payload: unknown): Promise<Json> {
    const request = this.nats.request(`bioxen.${subject}`, JSON.stringify(payload), {
      timeout: LOOK_TIMEOUT_MS,
    });
    return request.then((message) => message.json()).catch(() => ({}));
  }

  /** The reply, which must be ok. */
  async done(subject: string, payload: unknown): Promise<Json> {
    const reply = await this.ask(subject, payload);
    if (reply.ok !== true) throw new Error(`${subject}: ${JSON.stringify(reply.error)}`);
    return reply;
  }

  /** The VM once it is in `state`. */
  reach(vmId: string, state: string): Promise<Json> {
    return eventually(`${vmId} is ${state}`, async () => {
      const reply = await this.look("qry.vm.get", { vmId });
      return reply.vm?.state === state ? reply.vm : undefined;
    });
  }

  sample(vmId: string, holds: (sample: Json) => boolean = () => true): Promise<Json> {
    return eventually(`a sample of ${vmId}`, async () => {
      const { sample } = await this.look("qry.monitor.vm", { vmId });
      return sample && holds(sample) ? sample : undefined;
    });
  }

  /** Runs `bioxen`; never throws. */
  bioxen(...args: string[]): Promise<CommandResult> {
    return new Promise((resolve) => {
      const env = { ...process.env, BIOXEN_HOME: this.dir, NO_COLOR: "1" };
      execFile(process.execPath, [CLI, ...args], { env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
      });
    });
  }

  /** Runs a `bioxen` that follows something, and presses Ctrl-C at its first output. */
  async bioxenUntilCtrlC(...args: string[]): Promise<CommandResult & { readonly endedInMs: number }> {
    const env = { ...process.env, BIOXEN_HOME: this.dir, NO_COLOR: "1" };
    const child = spawn(process.execPath, [CLI, ...args], { env });
    let [stdout, stderr, pressedAtMs] = ["", "", 0];
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
      if (pressedAtMs > 0) return;
      pressedAtMs = Date.now();
      child.kill("SIGINT");
    });
    const code = await new Promise<number>((resolve) => {
      child.on("close", (status, signal) => resolve(status ?? (signal === null ? -1 : -2)));
    });
    return { code, stdout, stderr, endedInMs: Date.now() - pressedAtMs };
  }

  async bioxenJson(...args: string[]): Promise<Json> {
    const result = await this.bioxen(...args, "--json");
    try {
      return JSON.parse(result.stdout);
    } catch {
      throw new Error(`bioxen ${args.join(" ")}: exit ${result.code}: ${result.stdout}${result.stderr}`);
    }
  }
}
