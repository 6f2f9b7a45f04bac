/**
 * A log that loses events which were acknowledged, while services run or are down; and the operator who puts a backup
 * in place of the damaged log, accepts the loss if one is left, and starts the services again.
 *
 * Laws: every service ends with the one sentence that names the whole damage, and none goes on. After the operator, the
 * cluster comes to rest on the older log, and every law of a run holds for it.
 */
import { blobsOf, ENDPOINTS } from "@bioxen/contracts";
import { Fault } from "@bioxen/kernel";
import { acceptedLoss } from "../../packages/nats/src/log-guard.ts";
import type { Cluster } from "./cluster.ts";
import type { Folds } from "./folds.ts";
import type { SimProcess } from "./processes.ts";
import type { Universe } from "./universe.ts";
import type { SimWatchedLog } from "./watched-log.ts";

/** A run has a cut with this probability. */
const CHANCE = 0.2;
/** When the log is cut, ms. */
const AT_MS = { least: 8_000, most: 30_000 };
const EVENTS = { least: 1, most: 25 };
const LOOK_INTERVAL_MS = 250;
/** Longest time without an interruption for which a process may run on in reach of a damaged log, ms: a call that fails late, and five looks. */
const MAX_RUNS_ON_MS = 6_000;
/** Longest time until all processes have ended, ms: the longest cut of an agent, its restart, and a look. */
const MAX_ENDING_MS = 45_000;
/** Time that the operator takes, ms: no message of an ended process is on its way afterwards. */
const REPAIR_MS = 6_000;
/** Time without faults that a run with a cut needs in addition, ms. */
export const CUT_HEAL_MS = MAX_ENDING_MS + REPAIR_MS;
const TIMEOUT_MS = 3_000;
const CHASSIS = ["ecoli-1", "yeast-1"];

/**
 * - `tail`: the newest events are lost, and their sequences are given again. The loss is accepted.
 * - `recreated`: the log is made again, empty. The loss is accepted.
 * - `head`: the oldest events are lost. A complete backup is put back.
 * - `hole`: events in between are lost. A complete backup is put back.
 */
const KINDS = ["tail", "tail", "recreated", "head", "hole"] as const;

export interface CutPlan {
  readonly kind: (typeof KINDS)[number];
  readonly events: number;
  readonly atMs: number;
  /** Whether all processes end just before the cut, as in a power cut. */
  readonly isDown: boolean;
}

/** What must have happened in 200 runs. */
export const CUT_PROBES: readonly string[] = [
  ...KINDS.map((kind) => `log cut: ${kind}`),
  "process ended: damaged log",
  "start refused: damaged log",
  "loss accepted",
  "backup put back",
];

/** The sentences about a log that ends too early, or is another one. */
const SENTENCES = {
  tail: /^(acknowledged events are lost: events? .* stored, and the event log ends at \d+|event \d+ is not the one that was stored): /,
  recreated: /^this is another event log, created .*: the log known here .* has \d+ events: /,
};

export function cutPlan(chance: Universe): CutPlan | undefined {
  if (!chance.chance(CHANCE)) return undefined;
  return {
    kind: chance.pick(KINDS),
    events: chance.between(EVENTS.least, EVENTS.most),
    atMs: chance.between(AT_MS.least, AT_MS.most),
    isDown: chance.chance(0.3),
  };
}

export function cutInWords({ kind, events, atMs, isDown }: CutPlan): string {
  const what = kind === "recreated" ? kind : `${kind} of ${events} events`;
  return `log cut: ${what} at ${atMs} ms, services ${isDown ? "down" : "up"}`;
}

export interface CutScene {
  readonly cluster: Cluster;
  readonly watched: SimWatchedLog;
  readonly folds: Folds;
  readonly processes: readonly SimProcess[];
  readonly problem: (text: string) => void;
  /** Called when the log has changed other than by an append: all that was concluded from it is concluded again. */
  readonly onOtherLog: () => void;
}

export class LogCut {
  readonly #plan: CutPlan;
  readonly #scene: CutScene;
  /** Time for which each life has run in reach of the damaged log without an interruption, ms. */
  readonly #runsOnMs = new Map<string, number>();
  /** Names of stored states that the older log refers to and that are no longer stored. */
  readonly lostBlobs = new Set<string>();
  #cutAtMs = 0;
  /** What the sentence of every process must match. */
  #sentence = /^/;
  #backup = 0;

  constructor(plan: CutPlan, scene: CutScene) {
    this.#plan = plan;
    this.#scene = scene;
  }

  begin(): void {
    this.#scene.cluster.universe.after(this.#plan.atMs, () => this.#cut());
  }

  #cut(): void {
    const { kind, events, isDown } = this.#plan;
    const { cluster, watched, processes } = this.#scene;
    const { log, faults, universe } = cluster;
    const known = watched.record?.lastSeq ?? 0;
    // An event that is on no record yet may be lost without a trace while all services are down.
    if (known <= events + 1) return;
    faults.count(`log cut: ${kind}`);
    this.#cutAtMs = universe.nowMs;
    if (isDown) for (const process of processes) process.kill();
    this.#backup = kind === "tail" ? known - events : kind === "recreated" ? 0 : log.lastSeq;
    log.backUp(this.#backup);
    if (kind === "head" || kind === "hole") this.#loseWithin(kind === "head" ? 1 : known - events);
    else {
      this.#sentence = SENTENCES[kind];
      if (kind === "tail") log.lose(known - events + 1, log.lastSeq);
      else log.recreate();
    }
    this.#look();
  }

  /** Loses the planned number of events from `first` on, after which the log has later events. */
  #loseWithin(first: number): void {
    const { events } = this.#plan;
    const last = first + events - 1;
    this.#scene.cluster.log.lose(first, last);
    const lost = events === 1 ? `event ${first} is` : `events ${first} to ${last} are`;
    this.#sentence = new RegExp(`^${lost} missing in the event log: `);
  }

  /** Waits until every process has ended. */
  #look(): void {
    const { processes, cluster, problem } = this.#scene;
    const { universe } = cluster;
    for (const process of processes) {
      if (!process.isInReach) {
        this.#runsOnMs.delete(process.lifeName);
        continue;
      }
      const ms = (this.#runsOnMs.get(process.lifeName) ?? 0) + LOOK_INTERVAL_MS;
      this.#runsOnMs.set(process.lifeName, ms);
      if (ms === MAX_RUNS_ON_MS)
        problem(`${process.lifeName} goes on for ${ms} ms although the log lost events`);
    }
    const left = processes.filter((one) => (one.isRetired ? one.isAlive : one.refusal === undefined));
    if (left.length === 0) {
      universe.after(REPAIR_MS, () => void this.#repair().catch(cluster.onBug));
      return;
    }
    if (universe.nowMs - this.#cutAtMs > MAX_ENDING_MS) {
      problem(`${left.map(({ name }) => name).join(", ")} did not end although the log lost events`);
      return;
    }
    universe.after(LOOK_INTERVAL_MS, () => this.#look());
  }

  async #repair(): Promise<void> {
    const { kind } = this.#plan;
    const { cluster, processes, watched, problem, onOtherLog } = this.#scene;
    const { log, faults, universe } = cluster;
    for (const { name, refusal } of processes) {
      if (refusal !== undefined && !this.#sentence.test(refusal)) problem(`${name} ended with: ${refusal}`);
    }
    log.restore();
    cluster.bus.forgetOutcomes();
    onOtherLog();
    await this.#noteLostBlobs();
    const isLoss = kind === "tail" || kind === "recreated";
    if (isLoss) {
      const accepted = await acceptedLoss(watched, async () => []);
      if (accepted === undefined) problem("the operator accepted the loss, and none was found");
    }
    faults.count(isLoss ? "loss accepted" : "backup put back");
    for (const process of processes) process.resume();
    for (const chassisId of CHASSIS) universe.after(TIMEOUT_MS, () => void this.#uncordon(chassisId));
  }

  /** States were deleted that the newer log no longer needed and the older log still refers to. */
  async #noteLostBlobs(): Promise<void> {
    const { cluster, folds } = this.#scene;
    const stored = new Set<string>(await cluster.blobs.list());
    for (const [vmId, vm] of folds.existing()) {
      for (const name of blobsOf(vmId, vm)) if (!stored.has(name)) this.lostBlobs.add(name);
    }
  }

  /** The log may have lost the end of a drain: the operator ends it again. */
  async #uncordon(chassisId: string): Promise<void> {
    const { bus, universe } = this.#scene.cluster;
    for (let tries = 0; ; tries += 1) {
      try {
        const messageId = `after-cut-${chassisId}-${tries}`;
        const { subject } = ENDPOINTS.chassisUncordon;
        const reply = await bus.call(subject, { chassisId }, { timeoutMs: TIMEOUT_MS, messageId });
        if (reply.ok) return;
      } catch (thrown) {
        if (!(thrown instanceof Fault)) throw thrown;
      }
      await universe.delay(universe.between(100, 1_000));
    }
  }
}
