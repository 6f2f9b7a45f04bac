/**
 * The run of a cluster: three servers that replicate, several instances of every service, and clients that ask as
 * `@bioxen/client` does. Each server and one instance of each service is killed in turn, then everything is restarted
 * in order.
 *
 * No acknowledged command may be lost. Commands are answered again within {@link GO_ON_MS} of a kill. Where the killed
 * server led a stream that every command needs, the others first elect a leader, which takes a time that is fixed in
 * nats-server. A restart in order fails no command.
 */
import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { type Bioxen, connect } from "@bioxen/client";
import { EVENT_STREAM, type ServiceName } from "@bioxen/contracts";
import type { ServerNode } from "@bioxen/testkit/nats-cluster";
import { asBioxenError, BioxenError } from "../../packages/client/src/errors.ts";
import { callUntilSettled } from "../../packages/client/src/until-settled.ts";
import { Universe } from "../sim/universe.ts";
import { checkAcknowledgements } from "./checks.ts";
import { Fleet, type Instance } from "./fleet.ts";
import { failedWithin, longestGapMs, type Span } from "./gaps.ts";
import { readHistory } from "./history.ts";
import { type Asker, Load, noAnswer } from "./load.ts";
import { latencyLine, outcomeLine } from "./report.ts";
import { checked } from "./run.ts";

/** Longest time from a kill to the next answer, ms. */
export const GO_ON_MS = 5_000;
/**
 * The same where the servers must elect a leader of a needed stream, ms: followers of nats-server wait 4 to 9 s
 * (raft.go, no setting), and clients find the new leader within a second.
 */
export const ELECTION_MS = 10_500;
/** Streams that every command needs: the log, and the first outcomes of message ids. */
const NEEDED = [EVENT_STREAM, "KV_bioxen-first-outcomes"];
/** The services that a command of a client goes through. */
const COMMANDED: readonly ServiceName[] = ["lifecycle", "allocator"];
/** Timeout of one command, ms: the library's default. */
const CLIENT_TIMEOUT_MS = 10_000;
const WARM_UP_MS = 2_000;
/** Time from a kill to its judgement, ms, even when commands are answered at once. */
const WATCH_MS = 3_000;
const READY_DEADLINE_MS = 60_000;

export interface ClusterOptions {
  readonly seed: number;
  readonly instances: number;
  readonly clients: number;
  /** Total commands per second. */
  readonly rate: number;
  /** Number of servers to kill, one after the other, beginning with the leader of the log. */
  readonly serverKills: number;
  /**
   * Whether one instance of each service is killed too, everything is restarted, and every check at rest is made.
   * Otherwise only the services that carry out commands are restarted, and only the log and the acknowledged commands
   * are checked.
   */
  readonly isWhole: boolean;
  /** Shortest time for which a killed server stays down, ms; it stays down until commands are answered again. */
  readonly downMs: number;
  readonly say: (line: string) => void;
}

export interface ClusterResult {
  readonly problems: readonly string[];
  readonly commands: number;
  readonly kills: number;
}

export async function runCluster(options: ClusterOptions): Promise<ClusterResult> {
  const { seed, instances, say } = options;
  const fleet = await Fleet.start({ instances, minutes: 0, smallDisk: false, cluster: true });
  let problems: string[] = ["the run did not end"];
  try {
    say(`up: ${fleet.nodes.length} servers, ${fleet.services.length} service processes, load ${load1()}`);
    const load = new Load({
      ...options,
      url: fleet.url,
      connect: throughTheLibrary,
      commands: Number.POSITIVE_INFINITY,
    });
    const loading = load.run();
    const watcher = await Watcher.start(fleet.url);
    const run = new ClusterRun(fleet, load, options);
    await sleep(WARM_UP_MS);
    await run.killAll();
    await run.restartAll();
    load.end();
    await loading;
    say(`commands: ${load.sent}; ${outcomeLine(load.intents)}`);
    say(`given up by the library and asked again: ${countLine(load.retryable)}`);
    say(`latency with all repetitions: ${latencyLine(load.intents)}`);
    const held = options.isWhole ? await checked(fleet, load, say) : await nothingLost(fleet, load);
    problems = [...load.problems, ...run.problems, ...held];
    problems.push(...(await watcher.end(fleet.url, say)));
    return { problems, commands: load.sent, kills: run.kills };
  } catch (thrown) {
    problems = [String(thrown)];
    return { problems, commands: 0, kills: 0 };
  } finally {
    await fleet.stop();
    if (problems.length > 0) say(`seed ${seed}: stores and logs are kept in ${await fleet.keep()}`);
    else await fleet.remove();
  }
}

async function nothingLost(fleet: Fleet, load: Load): Promise<string[]> {
  const { report, effects } = await readHistory(fleet.url);
  return [
    ...report.violations.map((violation) => `log: ${JSON.stringify(violation)}`),
    ...checkAcknowledgements(load.intents, effects),
  ];
}

class ClusterRun {
  readonly problems: string[] = [];
  kills = 0;
  readonly #fleet: Fleet;
  readonly #load: Load;
  readonly #options: ClusterOptions;
  readonly #choose: Universe;

  constructor(fleet: Fleet, load: Load, options: ClusterOptions) {
    this.#fleet = fleet;
    this.#load = load;
    this.#options = options;
    this.#choose = new Universe(options.seed);
  }

  async killAll(): Promise<void> {
    for (const node of (await this.#leaderFirst()).slice(0, this.#options.serverKills)) {
      await this.#killServer(node);
    }
    if (!this.#options.isWhole) return;
    for (const name of new Set(this.#fleet.services.map((service) => service.name))) {
      await this.#killService(this.#choose.pick(this.#fleet.services.filter((one) => one.name === name)));
    }
  }

  /** Restarts every process in order, each once the one before serves again. */
  async restartAll(): Promise<void> {
    const fromMs = performance.now();
    const { isWhole } = this.#options;
    for (const service of this.#fleet.services) {
      if (isWhole || COMMANDED.includes(service.name)) await this.#restartService(service);
    }
    if (isWhole) {
      for (const node of this.#fleet.nodes) {
        await node.stop();
        node.start();
        await node.whenHealthy();
      }
    }
    const span = { fromMs, toMs: performance.now() };
    const failed = failedWithin(this.#load.intents, span);
    const sent = this.#load.intents.filter(({ sentAtMs }) => sentAtMs >= fromMs).length;
    const what = isWhole ? "everything" : COMMANDED.join(" and ");
    const gapMs = Math.round(this.#longestGap(span));
    this.#say(
      `rolling restart of ${what}: ${seconds(span)}, ${sent} commands, ${failed.length} failed, longest gap ${gapMs} ms, load ${load1()}`,
    );
    for (const { causeId, attempts } of failed) {
      this.problems.push(`failed: ${causeId} was given up ${attempts - 1} times in a restart in order`);
    }
  }

  async #killServer(node: ServerNode): Promise<void> {
    const led = (await node.leads()).sort();
    const isNeeded = led.some((stream) => NEEDED.includes(stream));
    const fromMs = performance.now();
    await node.kill();
    this.kills += 1;
    await sleep(this.#options.downMs);
    await this.#whenAnsweredAgain(fromMs);
    node.start();
    await node.whenHealthy();
    const bound = isNeeded ? ELECTION_MS : GO_ON_MS;
    this.#judge(`server ${node.name}, which led ${led.join(", ") || "nothing"}`, fromMs, bound);
  }

  async #killService({ name, index, child }: Instance): Promise<void> {
    const fromMs = performance.now();
    if (child.pid !== null) process.kill(child.pid, "SIGKILL");
    this.kills += 1;
    await sleep(WATCH_MS);
    await this.#whenAnsweredAgain(fromMs);
    await this.#whenReady(child, `${name} ${index}`);
    this.#judge(`${name} ${index}`, fromMs, GO_ON_MS);
  }

  async #restartService({ name, index, child }: Instance): Promise<void> {
    const { pid, restarts } = child;
    if (pid !== null) process.kill(pid, "SIGTERM");
    await until(`${name} ${index} has ended`, () => child.restarts > restarts);
    await this.#whenReady(child, `${name} ${index}`);
  }

  async #whenAnsweredAgain(fromMs: number): Promise<void> {
    await until("commands are answered again", () =>
      this.#load.intents.some(({ sentAtMs }) => sentAtMs > fromMs),
    );
  }

  async #whenReady(child: Instance["child"], name: string): Promise<void> {
    await until(`${name} is ready`, () => child.state === "ready");
  }

  #judge(what: string, fromMs: number, boundMs: number): void {
    const span = { fromMs, toMs: performance.now() };
    const gapMs = Math.round(this.#longestGap(span));
    const failed = failedWithin(this.#load.intents, span).length;
    this.#say(
      `killed ${what}: longest gap ${gapMs} ms, ${failed} commands given up and asked again, load ${load1()}`,
    );
    if (gapMs > boundMs) {
      this.problems.push(
        `slow: after the kill of ${what} no command was answered for ${gapMs} ms, more than ${boundMs}`,
      );
    }
  }

  #longestGap(span: Span): number {
    return longestGapMs(this.#load.intents, span);
  }

  async #leaderFirst(): Promise<ServerNode[]> {
    const nodes = await Promise.all(
      this.#fleet.nodes.map(async (node) => ({ node, leads: (await node.leads()).includes(EVENT_STREAM) })),
    );
    return nodes.sort((a, b) => Number(b.leads) - Number(a.leads)).map(({ node }) => node);
  }

  #say(line: string): void {
    this.#options.say(line);
  }
}

/** Watches the log from its first event through all kills, and checks that it gets every event once and in order. */
class Watcher {
  readonly #bioxen: Bioxen;
  readonly #seen: number[] = [];
  readonly #over: Promise<unknown>;

  private constructor(bioxen: Bioxen) {
    this.#bioxen = bioxen;
    this.#over = this.#watch().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  }

  static async start(url: string): Promise<Watcher> {
    return new Watcher(await connect({ servers: url.split(",") }));
  }

  async #watch(): Promise<void> {
    for await (const { seq } of this.#bioxen.watchEvents({ from: 1 })) this.#seen.push(seq);
  }

  async end(url: string, say: (line: string) => void): Promise<string[]> {
    const { report } = await readHistory(url);
    const isAll = () => this.#seen.length >= report.events;
    await until("the watcher has seen everything", isAll).catch(() => undefined);
    await this.#bioxen.close();
    const ended = await this.#over;
    say(`a watcher saw ${this.#seen.length} events`);
    const problems = ended === undefined ? [] : [`watch: it ended by itself: ${String(ended)}`];
    const expected = Array.from({ length: report.events }, (_, index) => index + 1);
    const at = expected.findIndex((seq, index) => this.#seen[index] !== seq);
    if (at >= 0) problems.push(`watch: at event ${at + 1} it was given ${this.#seen[at] ?? "nothing"}`);
    return problems;
  }
}

/** A client that calls as the library does. */
async function throughTheLibrary(url: string): Promise<Asker> {
  const bioxen = await connect({ servers: url.split(",") });
  return {
    async ask(subject, payload, messageId) {
      const options = { messageId, timeoutMs: CLIENT_TIMEOUT_MS };
      try {
        return await callUntilSettled(() => bioxen.bus.call(subject, JSON.parse(payload), options), {
          ...options,
          repeat: true,
        });
      } catch (thrown) {
        const error = asBioxenError(thrown);
        return noAnswer(error instanceof BioxenError ? new Error(error.message) : thrown);
      }
    },
    close: () => bioxen.close(),
  };
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + READY_DEADLINE_MS;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not within ${READY_DEADLINE_MS} ms: ${what}`);
    await sleep(20);
  }
}

function countLine(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([code, count]) => `${code} ${count}`).join(", ") || "none";
}

function seconds({ fromMs, toMs }: Span): string {
  return `${((toMs - fromMs) / 1_000).toFixed(1)} s`;
}

/** Returns the load average of the last minute. */
function load1(): string {
  return (loadavg()[0] ?? 0).toFixed(1);
}
