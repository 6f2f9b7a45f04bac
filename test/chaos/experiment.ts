/**
 * One experiment of many VMs while every process is killed in turn, and a second one that is cancelled. It returns the
 * problems as sentences, and prints its figures.
 */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { killNow } from "../e2e/kill.ts";
import { checkGuests, checkReservations, checkResults } from "./checks.ts";
import { Fleet } from "./fleet.ts";
import { listenToAgents, whenAtRest } from "./rest.ts";

export interface ExperimentOptions {
  /** VMs of the experiment, a multiple of the number of combinations. */
  readonly vms: number;
  readonly biologicalType: "syn3a" | "ecoli";
  /** Chassis of the agent: they decide how many VMs have a place at a time. */
  readonly chassis: string;
  /** Number of results after which the second experiment is cancelled. */
  readonly cancelAfter: number;
  readonly say: (line: string) => void;
}

export interface ExperimentResult {
  readonly problems: readonly string[];
  readonly kills: number;
}

/** The swept values: each of them gives another course. Without noise, the replicates of one have the same course. */
const QUALITIES = [0.2, 0.4, 0.6, 0.8];
export const COMBINATIONS = QUALITIES.length;
const LAST_MINUTE = 60;
const EVERY_MINUTES = 20;
const ROWS = LAST_MINUTE / EVERY_MINUTES + 1;
const MANY = "many";
const CANCELLED = "cancelled";

const ASK_TIMEOUT_MS = 5_000;
const PAUSE_BEFORE_RETRY_MS = 100;
/** Deadline of a request with all repetitions, ms: longer than the restart of any process with its recovery. */
const ANSWER_DEADLINE_MS = 120_000;
/**
 * Longest time without a further result, ms. A reservation that was lost in a kill takes 70 s to expire, and the rest of
 * the time is for a slow machine.
 */
const STALL_MS = 180_000;
/** Time between two looks at the experiment, ms: in proportion to its VMs, because the service looks at each of them. */
const LOOK = { leastMs: 100, msPerVm: 0.5 };
const SAY_EVERY_MS = 10_000;
/** Deadline of the command that writes the files, ms: on a busy machine, a walk over the log can pause for some seconds. */
const WRITE_TIMEOUT_MS = 120_000;
const PAGE = 100;
const CLI = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));

// biome-ignore lint/suspicious/noExplicitAny: a client knows no types.
type Json = any;

interface Process {
  readonly name: string;
  readonly pid: () => number | null;
}

interface Kill {
  readonly victim: string;
  readonly atMs: number;
  readonly recorded: number;
  /** Time until the next result, ms; undefined before it. */
  tookMs?: number;
}

function fileOf(experiment: string, { vms, biologicalType }: ExperimentOptions) {
  return {
    experiment,
    base: { biologicalType },
    sweep: { "environment.nutrientQuality": QUALITIES },
    replicates: vms / COMBINATIONS,
    untilMinute: LAST_MINUTE,
    record: { everyMinutes: EVERY_MINUTES },
  };
}

export async function runExperiment(options: ExperimentOptions): Promise<ExperimentResult> {
  const { say, chassis } = options;
  const fleet = await Fleet.start({ instances: 1, minutes: 0, smallDisk: false, chassis });
  const nats = await connect({ servers: fleet.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  const run = new ExperimentRun(fleet, nats, options);
  let problems: readonly string[] = ["the run did not end"];
  try {
    problems = [...(await run.throughKills()), ...(await run.cancelled())];
    return { problems, kills: run.kills.length };
  } catch (thrown) {
    problems = [String(thrown)];
    return { problems, kills: run.kills.length };
  } finally {
    await nats.close();
    await fleet.stop();
    if (problems.length > 0) say(`store and logs are kept in ${await fleet.keep()}`);
    else await fleet.remove();
  }
}

class ExperimentRun {
  readonly kills: Kill[] = [];
  readonly #fleet: Fleet;
  readonly #nats: NatsConnection;
  readonly #options: ExperimentOptions;
  /** Largest resident memory of each process, MB. */
  readonly #memory = new Map<string, number>();
  #saidAtMs = 0;

  constructor(fleet: Fleet, nats: NatsConnection, options: ExperimentOptions) {
    this.#fleet = fleet;
    this.#nats = nats;
    this.#options = options;
  }

  /** Runs the experiment to its end, and kills each process once, evenly over the results. */
  async throughKills(): Promise<string[]> {
    const { vms, say } = this.#options;
    const startedAtMs = performance.now();
    await this.#ask("cmd.experiment.start", { file: fileOf(MANY, this.#options) });
    const victims = this.#processes();
    for (const [i, { name, pid }] of victims.entries()) {
      const recorded = await this.#whenRecorded(MANY, Math.floor((i * vms) / victims.length));
      if (recorded >= vms) return [`the experiment ended before the kill of ${name}`];
      await this.#noteMemory();
      killNow(pid());
      this.kills.push({ victim: name, atMs: performance.now(), recorded });
      say(`kill of ${name} after ${recorded} results`);
    }
    await this.#whenRecorded(MANY, vms);
    const { experiment } = await this.#whenEnded(MANY);
    const tookS = (performance.now() - startedAtMs) / 1_000;
    say(`${vms} VMs in ${tookS.toFixed(0)} s, ${(vms / tookS).toFixed(1)} per s`);
    for (const { victim, tookMs } of this.kills) {
      say(`next result ${((tookMs ?? Number.NaN) / 1_000).toFixed(1)} s after the kill of ${victim}`);
    }
    await this.#noteMemory();
    say(`largest memory: ${[...this.#memory].map(([name, mb]) => `${name} ${mb} MB`).join(", ")}`);
    const { status, recorded, failed } = experiment;
    const ended = `${status}, ${recorded} recorded, ${failed} failed`;
    const problems = ended === `finished, ${vms} recorded, 0 failed` ? [] : [`the experiment is ${ended}`];
    return [
      ...problems,
      ...checkResults(await this.#results(), COMBINATIONS),
      ...(await this.#written()),
      ...(await this.#nothingLeft()),
    ];
  }

  /** Cancels an experiment, kills its service at once, and expects that no VM is left. */
  async cancelled(): Promise<string[]> {
    const { vms, cancelAfter, say } = this.#options;
    await this.#ask("cmd.experiment.start", { file: { ...fileOf(CANCELLED, this.#options), keep: true } });
    await this.#whenRecorded(CANCELLED, cancelAfter);
    const cancelledAtMs = performance.now();
    await this.#ask("cmd.experiment.cancel", { experimentId: CANCELLED });
    for (const one of this.#processes()) if (one.name === "experiments") killNow(one.pid());
    const { experiment } = await this.#whenEnded(CANCELLED);
    say(
      `cancelled after ${experiment.recorded} results: ended ${((performance.now() - cancelledAtMs) / 1_000).toFixed(1)} s later`,
    );
    const ended = `${experiment.status}, ${experiment.recorded < vms ? "some" : "all"} recorded`;
    const problems = ended === "cancelled, some recorded" ? [] : [`the experiment is ${ended}`];
    return [...problems, ...(await this.#nothingLeft())];
  }

  /** All processes, the service of experiments last: while it is down, no look shows how far the others have come. */
  #processes(): Process[] {
    const services = this.#fleet.services.map(({ name, child }) => ({ name, pid: () => child.pid }));
    const isLast = ({ name }: Process) => name === "experiments";
    return [
      ...services.filter((one) => !isLast(one)),
      { name: "nats-server", pid: () => this.#fleet.server?.pid ?? null },
      ...services.filter(isLast),
    ];
  }

  /** Reads the largest memory that each process has had since its start. */
  async #noteMemory(): Promise<void> {
    for (const { name, pid } of this.#processes()) {
      const status = await readFile(`/proc/${pid()}/status`, "utf8").catch(() => "");
      const kb = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
      this.#memory.set(name, Math.max(this.#memory.get(name) ?? 0, Math.round(kb / 1_024)));
    }
  }

  /** Returns the number of results once it is at least `count`. Throws when no further result arrives. */
  async #whenRecorded(experimentId: string, count: number): Promise<number> {
    return this.#watched(experimentId, ({ recorded }) => recorded >= count).then(({ recorded }) => recorded);
  }

  async #whenEnded(experimentId: string): Promise<Json> {
    return { experiment: await this.#watched(experimentId, ({ endedAtMs }) => endedAtMs !== null) };
  }

  async #watched(experimentId: string, isEnough: (experiment: Json) => boolean): Promise<Json> {
    let [before, changedAtMs] = [-1, performance.now()];
    for (;;) {
      const { experiment } = await this.#ask("qry.experiment.get", { experimentId, limit: 1 });
      const nowMs = performance.now();
      const { recorded } = experiment;
      for (const kill of this.kills) {
        if (kill.tookMs === undefined && recorded > kill.recorded) kill.tookMs = nowMs - kill.atMs;
      }
      if (nowMs - this.#saidAtMs > SAY_EVERY_MS) {
        this.#saidAtMs = nowMs;
        const { running, waiting } = experiment;
        this.#options.say(`${experimentId}: ${recorded} results, ${running} run, ${waiting} wait`);
      }
      if (isEnough(experiment)) return experiment;
      if (recorded > before) [before, changedAtMs] = [recorded, nowMs];
      if (nowMs - changedAtMs > STALL_MS) {
        throw new Error(`no further result in ${STALL_MS / 1_000} s: ${JSON.stringify(experiment)}`);
      }
      await sleep(Math.max(LOOK.leastMs, LOOK.msPerVm * this.#options.vms));
    }
  }

  async #results(): Promise<Json[]> {
    const all: Json[] = [];
    for (let cursor: string | null = null; ; ) {
      const more = cursor === null ? {} : { cursor };
      const page = await this.#ask("qry.experiment.get", { experimentId: MANY, limit: PAGE, ...more });
      all.push(...page.vms);
      cursor = page.cursor;
      if (cursor === null) return all;
    }
  }

  /** Writes the files of the experiment as a user does. Returns what is wrong with the number of their lines. */
  async #written(): Promise<string[]> {
    const { vms, say } = this.#options;
    const { dir, url } = this.#fleet;
    const [file, out] = [join(dir, `${MANY}.json`), join(dir, "out")];
    await writeFile(file, JSON.stringify(fileOf(MANY, this.#options)));
    const startedAtMs = performance.now();
    const args = [
      CLI,
      "experiment",
      "run",
      file,
      "--out",
      out,
      "--server",
      url,
      "--timeout",
      `${WRITE_TIMEOUT_MS}`,
    ];
    await promisify(execFile)(process.execPath, args, { env: { ...process.env, BIOXEN_HOME: dir } });
    say(`files written in ${((performance.now() - startedAtMs) / 1_000).toFixed(1)} s`);
    const lines = async (name: string) =>
      (await readFile(join(out, name), "utf8")).trimEnd().split("\n").length;
    const written = `${await lines("results.csv")} and ${await lines("courses.csv")} lines`;
    const wanted = `${vms + 1} and ${vms * ROWS + 1} lines`;
    return written === wanted ? [] : [`results.csv and courses.csv have ${written}, not ${wanted}`];
  }

  /** Returns what is left of the VMs of an experiment that has ended: in the log, the ledgers, and the agent. */
  async #nothingLeft(): Promise<string[]> {
    const { report, vms, ledgers } = await whenAtRest(this.#fleet);
    this.#options.say(`log: ${report.events} events, ${report.violations.length} violations`);
    return [
      ...report.violations.map((violation) => `log: ${JSON.stringify(violation)}`),
      ...vms.map(({ vmId, state }) => `left: ${vmId} is ${state}`),
      ...checkReservations(vms, ledgers),
      ...checkGuests(vms, await listenToAgents(this.#nats)),
    ];
  }

  /** Asks under one message id until there is a final answer. Throws for a refusal, and without an answer. */
  async #ask(subject: string, payload: object): Promise<Json> {
    const h = headers();
    h.set("Nats-Msg-Id", crypto.randomUUID());
    const deadlineMs = performance.now() + ANSWER_DEADLINE_MS;
    for (;;) {
      const message = await this.#nats
        .request(`bioxen.${subject}`, JSON.stringify(payload), { timeout: ASK_TIMEOUT_MS, headers: h })
        .catch(() => undefined);
      const reply = message?.json<Json>();
      if (reply?.ok === true) return reply;
      const isFinal = reply !== undefined && reply.error.retryable !== true;
      if (isFinal || performance.now() > deadlineMs) {
        throw new Error(`${subject}: ${reply === undefined ? "no answer" : JSON.stringify(reply.error)}`);
      }
      await sleep(PAUSE_BEFORE_RETRY_MS);
    }
  }
}
