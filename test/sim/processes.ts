/**
 * The processes of a simulated cluster: the real services on simulated ports. A killed process does nothing more,
 * whatever it had begun, and restarts after a while.
 */
import { type ServedEndpoint, SkippedMessages } from "@bioxen/contracts";
import {
  EventFeed,
  type EventSink,
  Fault,
  LogGap,
  type ServicePorts,
  SkippingLog,
  SnapshotWriter,
  type UnreadableMessage,
} from "@bioxen/kernel";
import { createScriptedDriver, type ScriptedDriver } from "@bioxen/vm-driver";
import { inRanges } from "../../packages/nats/src/log-damage.ts";
import { LogGuard } from "../../packages/nats/src/log-guard.ts";
import { withEveryKind } from "../../packages/service-host/src/snapshot-sinks.ts";
import { createAllocator } from "../../services/allocator/src/app/service.ts";
import { parseOwnChassis } from "../../services/chassis-agent/src/app/chassis-config.ts";
import { createChassisAgent } from "../../services/chassis-agent/src/app/service.ts";
import { createChassisScheduler } from "../../services/chassis-scheduler/src/app/service.ts";
import { createLifecycle } from "../../services/lifecycle/src/app/service.ts";
import { createMonitor } from "../../services/monitor/src/app/service.ts";
import type { Cluster } from "./cluster.ts";
import { troubleDriver } from "./driver-trouble.ts";
import { SimLanes } from "./lanes.ts";
import { Presence } from "./presence.ts";
import { type LifePorts, portsOf } from "./process-ports.ts";
import { snapshotPath } from "./snapshot-path.ts";
import { watchedThrough } from "./watched-log.ts";

const KINDS = ["lifecycle", "allocator", "chassis-scheduler", "monitor", "agent-a", "agent-b"] as const;
export type Kind = (typeof KINDS)[number];
/** The service that writes snapshots, as in its `main.ts`. */
const SNAPSHOT_WRITER: Kind = "lifecycle";

/** Unconfirmed reservations expire after this time, ms: short, so that runs meet an expiry. */
const START_DEADLINE_MS = 6_000;
/** A chassis without its agent is lost after this time, ms: short, so that runs meet a loss. */
export const LOST_AFTER_MS = 6_000;
/** Time from the death of a process to its restart, ms. */
const RESTART_MS = { least: 50, most: 4_000 };
/** The same for an agent that stays away until its chassis is lost, ms. */
const GONE_MS = { least: 7_000, most: 20_000 };
/** How long an agent is cut off, ms: about a third of the cuts end before its chassis is lost. */
const CUT_MS = { least: 1_000, most: 16_000 };
/**
 * How long a second process with the id of an agent lives, ms: shorter and longer than a takeover.
 */
const TWIN_MS = { least: 2_000, most: 20_000 };
/** How long the leases are out of reach of an agent with a second process, ms: about half as long as its claim lasts. */
const CLAIM_CUT_MS = { least: 3_000, most: 14_000 };
/** Time from one checkpoint of a guest to the next, ms: short, so that a run has many. */
const CHECKPOINT_INTERVAL_MS = 4_000;
/**
 * Sweep of stored guest states. The age exceeds the time from any put to its report here, and ends before a run does,
 * ms.
 */
export const SWEEP = { everyMs: 10_000, orphanAgeMs: 60_000 };
/** Longest time between two occasions for a process to die or for a guest to fail, ms. */
const TROUBLE_INTERVAL_MS = 500;

interface Running {
  readonly sinks: readonly EventSink[];
  readonly endpoints: readonly ServedEndpoint[];
  readonly mustEnd?: Promise<string>;
  admitted?(onWait: (reason: string) => void): Promise<void>;
  begin(feed: EventFeed): Promise<void> | void;
}

interface AgentOptions {
  readonly chassis?: string;
  /** A second process with the same agent id, for the fault `agent-doubled`. */
  readonly twin?: SimProcess;
  readonly isTwin?: boolean;
}

export class SimProcess {
  readonly kind: Kind;
  readonly #cluster: Cluster;
  readonly #options: AgentOptions;
  readonly #instance: number;
  #life = 0;
  #alive = false;
  #isRetired: boolean;
  /** The sentence with which the process ended because of the log; it does not start again until `resume`. */
  #refusal: string | undefined;
  readonly #presence: Presence;
  #driver: ScriptedDriver | undefined;
  #feed: EventFeed | undefined;
  #lanes: SimLanes | undefined;
  #undo: (() => void)[] = [];

  constructor(kind: Kind, cluster: Cluster, instance: number, options: AgentOptions = {}) {
    this.#instance = instance;
    this.kind = kind;
    this.#cluster = cluster;
    this.#options = options;
    this.#isRetired = options.isTwin === true;
    this.#presence = new Presence(cluster.universe);
  }

  /** The driver with the guests that run here; undefined for a dead process or another service. */
  get driver(): ScriptedDriver | undefined {
    return this.#alive ? this.#driver : undefined;
  }

  /** The name of this process in all its lives. */
  get name(): string {
    return `${this.kind}-${this.#instance}`;
  }

  get isTwin(): boolean {
    return this.#options.isTwin === true;
  }

  /** Whether this process has ended and does not restart. */
  get isRetired(): boolean {
    return this.#isRetired;
  }

  get isAlive(): boolean {
    return this.#alive;
  }

  /** Whether the process runs, awake and not cut off. */
  get isInReach(): boolean {
    return this.#alive && !this.isCut && this.#presence.asleepForMs <= 0;
  }

  /** The sentence with which the process ended, or refused to start, because the log is damaged. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** Starts a process that the log had ended. */
  resume(): void {
    if (this.#refusal === undefined) return;
    this.#refusal = undefined;
    if (!this.#isRetired && !this.#alive) this.start();
  }

  /** The messages that this process cannot read; empty for a dead process. */
  get unreadable(): readonly UnreadableMessage[] {
    return this.#alive ? (this.#feed?.unreadable() ?? []) : [];
  }

  /** Checks the lanes of a process that is alive: see `SimLanes.checkRest`. */
  checkLanes(prefix: string): void {
    if (this.#alive) this.#lanes?.checkRest(prefix);
  }

  /** Whether nothing passes between this process and the others. */
  get isCut(): boolean {
    return this.#presence.isCut;
  }

  /** Ends a cut. */
  reconnect(): void {
    this.#presence.reconnect();
  }

  start(): void {
    this.#life += 1;
    this.#alive = true;
    this.#presence.wake();
    const life = this.#life;
    const { faults } = this.#cluster;
    const isAlive = () => this.#alive && this.#life === life;
    const skips = new SkippedMessages();
    const bare = portsOf({
      cluster: this.#cluster,
      presence: this.#presence,
      name: this.lifeName,
      kind: this.kind,
      isAlive,
      onKill: (undo) => this.#undo.push(undo),
    });
    const ports = { ...bare, log: new SkippingLog(bare.log, skips) };
    const service = this.#create(ports);
    const sinks = this.kind === SNAPSHOT_WRITER ? withEveryKind(service.sinks) : service.sinks;
    const feed = new EventFeed(ports.log, sinks, ports.timers, skips);
    this.#feed = feed;
    const { lanes: scene } = this.#cluster;
    const lanes = scene === undefined ? undefined : new SimLanes(scene, ports.timers);
    this.#lanes = lanes;
    const endpoints = new Map(service.endpoints.map((served) => [served.endpoint.subject, served]));
    const { source, writer } = this.#snapshots(ports, feed, isAlive);
    const guard = this.#guarded(bare, feed, isAlive);
    feed.onStop((cause) => {
      if (guard === undefined || !(cause instanceof LogGap)) return this.#cluster.onBug(cause);
      void guard.then((opened) => opened.reportGap(cause.from, cause.to));
    });
    const started = guard === undefined ? feed.start(source) : guard.then(() => feed.start(source));
    void started.then(
      async () => {
        let hasWaited = false;
        await service.admitted?.(() => {
          hasWaited = true;
          faults.count("agent-waited");
        });
        if (!isAlive()) return;
        if (hasWaited) faults.count("twin-took-over");
        void service.mustEnd?.then(() => {
          if (!isAlive()) return;
          faults.count("agent-superseded");
          this.kill();
        });
        await service.begin(feed);
        await writer?.begin();
        const awake = () => this.#presence.awake();
        this.#undo.push(this.#cluster.bus.serve({ alive: isAlive, awake, endpoints, lanes }));
      },
      (cause) => this.#bootFailed(cause, isAlive),
    );
    this.#troubleIn(isAlive);
  }

  /** A process that cannot read the log at its start ends, and its supervisor starts it again. */
  #bootFailed(cause: unknown, isAlive: () => boolean): void {
    if (cause instanceof LogGap) return;
    const isRefused =
      this.#cluster.watched !== undefined && cause instanceof Fault && cause.code === "CONFLICT";
    if (isRefused && isAlive()) this.#lose(cause.message, "start refused");
    else if (!(cause instanceof Fault && cause.retryable)) this.#cluster.onBug(cause);
    else if (isAlive()) this.kill();
  }

  /** Opens the guard of the log as `known-log.ts` does; undefined in a run without a cut of the log. */
  #guarded(ports: LifePorts, feed: EventFeed, isAlive: () => boolean): Promise<LogGuard> | undefined {
    const { watched } = this.#cluster;
    if (watched === undefined) return undefined;
    return LogGuard.open(watchedThrough(watched, ports.reach), {
      writes: this.kind === SNAPSHOT_WRITER,
      timers: ports.timers,
      onDamage: (_seq, sentence) => isAlive() && this.#lose(sentence, "process ended"),
      onDrift: () => undefined,
      repair: async () => undefined,
    }).then((guard) => {
      feed.mayMiss((seq) => inRanges(seq, guard.missing));
      guard.begin(() => feed.appliedSeq);
      return guard;
    });
  }

  /** The process ends because of the log, and its supervisor does not start it again. */
  #lose(sentence: string, how: "process ended" | "start refused"): void {
    this.#cluster.faults.count(`${how}: damaged log`);
    this.#refusal = sentence;
    this.kill();
  }

  #create(ports: ServicePorts): Running {
    switch (this.kind) {
      case "lifecycle":
        return createLifecycle(ports, { sweep: SWEEP });
      case "allocator":
        return createAllocator(ports, {
          startDeadlineMs: START_DEADLINE_MS,
          monotonicMs: () => this.#cluster.universe.nowMs,
        });
      case "chassis-scheduler":
        return createChassisScheduler(ports, {
          monotonicMs: () => this.#cluster.universe.nowMs,
          lostAfterMs: LOST_AFTER_MS,
        });
      case "monitor":
        return createMonitor(ports, { webhooks: this.#cluster.witness.webhooks() });
      default: {
        const driver = createScriptedDriver({});
        this.#driver = driver;
        return createChassisAgent(ports, {
          agentId: this.kind,
          clusterId: "5117000000000000",
          instance: this.lifeName,
          chassis: parseOwnChassis(this.#options.chassis ?? ""),
          drivers: [driver],
          monotonicMs: () => this.#cluster.universe.nowMs,
          lostAfterMs: LOST_AFTER_MS,
          checkpointIntervalMs: CHECKPOINT_INTERVAL_MS,
        });
      }
    }
  }

  /** Every process starts from the newest snapshot; one service writes them. */
  #snapshots(ports: ServicePorts, feed: EventFeed, isAlive: () => boolean) {
    const { faults, snapshots, snapshotEvery } = this.#cluster;
    const store = snapshotPath({ faults, snapshots }, isAlive);
    const count = (_fields: object, message: string) => faults.count(message);
    const logger = { ...ports.logger, info: count };
    const options = { ...ports, feed, store, logger, everyEvents: snapshotEvery };
    return {
      source: { store, logger },
      writer: this.kind === SNAPSHOT_WRITER ? new SnapshotWriter(options) : undefined,
    };
  }

  kill({ least, most } = RESTART_MS): void {
    if (!this.#alive) return;
    this.#alive = false;
    for (const undo of this.#undo.splice(0)) undo();
    const { universe, ended } = this.#cluster;
    ended.add(this.lifeName);
    universe.after(universe.between(least, most), () => {
      if (!this.#isRetired && !this.#alive && this.#refusal === undefined) this.start();
    });
  }

  /** The name of the present life. */
  get lifeName(): string {
    return `${this.name}-${this.#life}`;
  }

  /** Starts a second process with the id of this agent, which ends after a while. */
  #double(twin: SimProcess): void {
    const { universe } = this.#cluster;
    twin.#isRetired = false;
    twin.start();
    if (this.#cluster.faults.strikes("claim-cut")) this.#presence.cutLeases(CLAIM_CUT_MS);
    universe.after(universe.between(TWIN_MS.least, TWIN_MS.most), () => {
      twin.#isRetired = true;
      twin.kill();
    });
  }

  /** Now and then the process dies, or its driver or a guest fails. */
  #troubleIn(isAlive: () => boolean): void {
    const { universe, faults } = this.#cluster;
    universe.after(universe.between(1, TROUBLE_INTERVAL_MS), () => {
      if (!isAlive()) return;
      if (universe.chance(0.2) && faults.strikes("process-killed")) return this.kill();
      if (this.#driver !== undefined) {
        if (faults.strikes("agent-gone")) return this.kill(GONE_MS);
        if (faults.strikes("agent-cut")) this.#presence.cut(CUT_MS);
        const { twin } = this.#options;
        if (twin?.isRetired === true && faults.strikes("agent-doubled")) this.#double(twin);
        troubleDriver(this.#driver, this.#cluster, isAlive);
      }
      this.#troubleIn(isAlive);
    });
  }
}
