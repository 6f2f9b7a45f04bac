/**
 * The BioXen of one test file: a real stack, either own or shared, a plain NATS client and the `bioxen` command.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createConnection, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type LocalStack, type LocalStackOptions, startLocalStack } from "@bioxen/local-stack";
import { findLocalStack } from "@bioxen/nats";
import { eventually } from "@bioxen/testkit/eventually";
import { headers, type MsgHdrs, type NatsConnection } from "@nats-io/transport-node";
import { inject } from "vitest";
import { CliProcess, type CommandResult } from "./cli-process.ts";
import type { Json } from "./json.ts";
import { killNow } from "./kill.ts";
import { connectRaw } from "./raw-connection.ts";
import { expectNoViolations, serverLogLength } from "./server-violations.ts";
import type { Claimed, SharedSettings } from "./shared-stacks.ts";

export type { Json };

export const CLI = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));
const ASK_TIMEOUT_MS = 20_000;
const LOOK_TIMEOUT_MS = 1_000;
/** Simulated minutes per second: at one hour per second, a syn3a divides about every two seconds. */
const TIME_SCALE = 60;

export { type CommandResult, eventually };

/** Where the stack of a world comes from, and what ends or releases it. */
type Source =
  | { readonly kind: "own"; readonly options: LocalStackOptions; stack: LocalStack }
  | { readonly kind: "shared"; readonly url: string; readonly claim: Socket };

export interface WorldOptions extends LocalStackOptions {
  /**
   * Why clients of the test try what the server refuses. Without a reason, the world rejects at its end if the server
   * refused a client a publish or a subscription.
   */
  readonly violations?: string | undefined;
}

export class World {
  /** A temporary folder for files of the test. */
  readonly dir: string;
  /** `BIOXEN_HOME`, where the `bioxen` command finds the address of the stack. */
  readonly home: string;
  readonly #source: Source;
  readonly #cli: CliProcess;
  /** Length of the server's log at the beginning, in bytes; undefined if violations are part of the test. */
  readonly #logStart: number | undefined;
  nats: NatsConnection;

  private constructor(
    [dir, home]: readonly [string, string],
    source: Source,
    nats: NatsConnection,
    logStart: number | undefined,
  ) {
    this.dir = dir;
    this.home = home;
    this.#source = source;
    this.#logStart = logStart;
    this.nats = nats;
    this.#cli = new CliProcess(this.#commandEnv());
    // `connect` of the library finds the stack, and the admin's key, as in a program of a user.
    process.env["BIOXEN_HOME"] = home;
  }

  /**
   * Starts a stack for this file only, for tests that kill, restart or configure it. `keys: false` is for tests that
   * forge events or delete streams: a stack with keys refuses that. A comment gives the reason.
   */
  static async open({ violations, ...options }: WorldOptions = {}): Promise<World> {
    const dir = await mkdtemp(join(tmpdir(), "bioxen-e2e-"));
    const full = {
      timeScale: TIME_SCALE,
      logLevel: "warn",
      ...options,
      dataDir: join(dir, "data"),
      home: dir,
    };
    const stack = await startLocalStack(full);
    const nats = await connectRaw(dir);
    const logStart = violations === undefined ? 0 : undefined;
    return new World([dir, dir], { kind: "own", options: full, stack }, nats, logStart);
  }

  /**
   * Claims a stack that other files use before and after this one, and registers `chassis` (such as `ecoli:2,yeast:1`)
   * on the empty cluster.
   *
   * The log is shared by all files: VM ids must be unique to a file, and no test may assume the number of events in the
   * log.
   */
  static async shared({
    chassis,
    timeScale = TIME_SCALE,
  }: { chassis: string } & Partial<SharedSettings>): Promise<World> {
    const claim = createConnection(inject("sharedStacksPort"), "127.0.0.1");
    claim.write(`${JSON.stringify({ timeScale } satisfies SharedSettings)}\n`);
    const [line] = await once(createInterface({ input: claim }), "line");
    const claimed = JSON.parse(line) as Claimed;
    if ("problem" in claimed) throw new Error(`no shared stack: ${claimed.problem}`);
    const dir = await mkdtemp(join(tmpdir(), "bioxen-e2e-"));
    const nats = await connectRaw(claimed.dir);
    const logStart = await serverLogLength(join(claimed.dir, "data"));
    const source = { kind: "shared", url: claimed.url, claim } as const;
    const world = new World([dir, claimed.dir], source, nats, logStart);
    await world.#register(chassis);
    return world;
  }

  /** The stack of this file; throws on a shared stack, which no file may kill or restart. */
  get stack(): LocalStack {
    if (this.#source.kind === "shared")
      throw new Error("a shared stack cannot be killed or restarted: use World.open");
    return this.#source.stack;
  }

  get url(): string {
    return this.#source.kind === "own" ? this.#source.stack.url : this.#source.url;
  }

  async #register(chassis: string): Promise<void> {
    const chassisIds: string[] = [];
    for (const part of chassis.split(",")) {
      const [chassisType = "", count = "1"] = part.split(":");
      for (let i = 1; i <= Number(count); i += 1) {
        const chassisId = `${chassisType}-${i}`;
        chassisIds.push(chassisId);
        await this.done("cmd.chassis.register", { chassisId, chassisType, agentId: "local" });
      }
    }
    await eventually(`${chassis} take VMs`, async () => {
      const all = await Promise.all(
        chassisIds.map((chassisId) => this.look("qry.chassis.get", { chassisId })),
      );
      return all.every((reply) => reply.chassis?.state === "ready") ? true : undefined;
    });
  }

  /**
   * Stops the whole stack and starts it again on the same data. `whileDown` runs in between, and may change the data
   * directory.
   */
  async restart(whileDown: (dataDir: string) => Promise<void> = async () => undefined): Promise<void> {
    if (this.#source.kind === "shared")
      throw new Error("a shared stack cannot be killed or restarted: use World.open");
    await this.nats.close();
    await this.#source.stack.stop();
    await whileDown(join(this.dir, "data"));
    this.#source.stack = await startLocalStack(this.#source.options);
    this.nats = await connectRaw(this.home);
  }

  /** Kills the agent of the stack of this file with SIGKILL. Resolves when its next process is ready. */
  async killAgent(): Promise<void> {
    const agent = this.stack.services().find((service) => service.name === "chassis-agent");
    killNow(agent?.pid);
    await eventually("the agent serves again", async () => {
      const now = this.stack.services().find((service) => service.name === "chassis-agent");
      return now?.restarts === (agent?.restarts ?? 0) + 1 && now.state === "ready" ? true : undefined;
    });
  }

  /** Replaces the NATS client by one that tries to reconnect every 100 ms without limit. */
  async reconnectForEver(): Promise<void> {
    await this.nats.close();
    this.nats = await connectRaw(this.home, { maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  }

  /** Ends the stack, or releases it for the next file. Rejects if the server refused a client what it tried. */
  async close(): Promise<void> {
    this.#cli.end();
    if (!this.nats.isClosed()) await this.nats.close();
    if (this.#source.kind === "own") await this.#source.stack.stop();
    try {
      if (this.#logStart !== undefined) await expectNoViolations(join(this.home, "data"), this.#logStart);
    } finally {
      if (this.#source.kind === "shared") this.#source.claim.end();
      await rm(this.dir, { recursive: true, force: true });
    }
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

  /** The reply, or an empty object if none arrives within 1 s: for callers that poll. */
  async look(subject: string, payload: unknown): Promise<Json> {
    const request = this.nats.request(`bioxen.${subject}`, JSON.stringify(payload), {
      timeout: LOOK_TIMEOUT_MS,
    });
    return request.then((message) => message.json()).catch(() => ({}));
  }

  /** The reply; throws when it is not ok. */
  async done(subject: string, payload: unknown): Promise<Json> {
    const reply = await this.ask(subject, payload);
    if (reply.ok !== true) throw new Error(`${subject}: ${JSON.stringify(reply.error)}`);
    return reply;
  }

  /** The VM once it is in `state`. */
  reach(vmId: string, state: string, withinMs?: number): Promise<Json> {
    const look = async () => {
      const reply = await this.look("qry.vm.get", { vmId });
      return reply.vm?.state === state ? reply.vm : undefined;
    };
    return eventually(`${vmId} is ${state}`, look, withinMs);
  }

  /** The latest sample of the VM, once `holds` is true for it. */
  sample(vmId: string, holds: (sample: Json) => boolean = () => true): Promise<Json> {
    return eventually(`a sample of ${vmId}`, async () => {
      const { sample } = await this.look("qry.monitor.vm", { vmId });
      return sample && holds(sample) ? sample : undefined;
    });
  }

  #commandEnv(): NodeJS.ProcessEnv {
    const config = join(this.dir, "config.yaml");
    return { ...process.env, BIOXEN_HOME: this.home, BIOXEN_CONFIG: config, NO_COLOR: "1" };
  }

  /** The environment of a further instance of a service. */
  serviceEnvironment(service: string): Promise<NodeJS.ProcessEnv> {
    return this.#processEnvironment("services", service);
  }

  /** The environment of a further process of the agent with this id, which has a key on a stack with keys. */
  async agentEnvironment(agentId: string): Promise<NodeJS.ProcessEnv> {
    return { ...(await this.#processEnvironment("agents", agentId)), BIOXEN_AGENT_ID: agentId };
  }

  async #processEnvironment(folder: "services" | "agents", name: string): Promise<NodeJS.ProcessEnv> {
    const keysDir = (await findLocalStack(this.home))?.keysDir;
    const login =
      keysDir === undefined
        ? {}
        : {
            BIOXEN_NATS_CREDS: join(keysDir, folder, `${name}.creds`),
            BIOXEN_IDENTITIES: "mapped",
            BIOXEN_METRICS_TOKEN_FILE: join(keysDir, "metrics.token"),
          };
    return { ...process.env, BIOXEN_NATS_URL: this.url, BIOXEN_LOG_LEVEL: "warn", ...login };
  }

  /** Runs `bioxen` in a process that is reused for the next command. */
  bioxen(...args: string[]): Promise<CommandResult> {
    return this.#cli.run(args);
  }

  /** Runs `bioxen` as a shell does, in a new process. Never throws. */
  bioxenProcess(...args: string[]): Promise<CommandResult> {
    return new Promise((resolve) => {
      const options = { env: this.#commandEnv(), maxBuffer: 2 ** 26 };
      execFile(process.execPath, [CLI, ...args], options, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
      });
    });
  }

  /** Runs a `bioxen` command that follows something, and sends Ctrl-C at its first output. */
  async bioxenUntilCtrlC(...args: string[]): Promise<CommandResult & { readonly endedInMs: number }> {
    const child = spawn(process.execPath, [CLI, ...args], { env: this.#commandEnv() });
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
