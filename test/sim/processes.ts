/**
 * Processes of a simulated cluster: the real services on simulated ports. A killed process does nothing more, whatever it had begun.
 */
import { type AlertNotification, ENDPOINTS, type ServedEndpoint } from "@bioxen/contracts";
import {
  EventFeed,
  type EventSink,
  Fault,
  InvariantViolation,
  type LeaseStore,
  type Logger,
  type ServicePorts,
  SnapshotWriter,
  type StoredEvent,
  StoredLeases,
  UNTRACED,
} from "@bioxen/kernel";
import { createScriptedDriver, type ScriptedDriver } from "@bioxen/vm-driver";
import { withEveryKind } from "../../packages/service-host/src/snapshot-sinks.ts";
import { createAllocator } from "../../services/allocator/src/app/service.ts";
import { parseOwnChassis } from "../../services/chassis-agent/src/app/chassis-config.ts";
import { createChassisAgent } from "../../services/chassis-agent/src/app/service.ts";
import { createChassisScheduler } from "../../services/chassis-scheduler/src/app/service.ts";
import { createLifecycle } from "../../services/lifecycle/src/app/service.ts";
import { createMonitor } from "../../services/monitor/src/app/service.ts";
import { blobPath } from "./blob-path.ts";
import type { Cluster } from "./cluster.ts";
import { troubleDriver } from "./driver-trouble.ts";
import type { FaultName } from "./faults.ts";
import { leasePath } from "./lease-path.ts";
import { snapshotPath } from "./snapshot-path.ts";

const KINDS = ["lifecycle", "allocator", "chassis-scheduler", "monitor", "agent-a", "agent-b"] as const;
export type Kind = (typeof KINDS)[number];
/** The service that writes snapshots, as in its `main.ts`. */
const SNAPSHOT_WRITER: Kind = "lifecycle";

/** How the subjects begin that deliverers are told on. */
const ALERTS = "bioxen.alert.";
/** Unconfirmed reservations are given back after this long, ms: short, so that runs meet it. */
const START_DEADLINE_MS = 6_000;
/** Without an agent for this long a chassis is lost, ms: short, so that runs meet it. */
export const LOST_AFTER_MS = 6_000;
/** From death to the next instance, ms. */
const RESTART_MS = { least: 50, most: 4_000 };
/** The same of an agent that is gone for good, and how long one is cut off, ms: about a third of the cuts are short. */
const GONE_MS = { least: 7_000, most: 20_000 };
const CUT_MS = { least: 1_000, most: 16_000 };
/** What is asked over a cut fails after this, ms. */
const CUT_CALL_MS = 1_000;
/** Short, so that a run has many; each is an event. */
const CHECKPOINT_INTERVAL_MS = 4_000;
/** Longer than any put and its report are apart here, ms, and short enough to be over before a run is. */
export const SWEEP = { everyMs: 10_000, orphanAgeMs: 60_000 };
/** A process may sleep this long, ms: with a late message less than the grace of an expiry, which is there for that. */
const PAUSE_MS = { least: 500, most: 6_000 };
/** A proposer that wakes after this, ms, was succeeded if there is another. */
const LEAST_PROPOSER_PAUSE_MS = 3_500;
/** How often a process may die or a guest may fail, ms. */
const TROUBLE_INTERVAL_MS = 500;

/** Says nothing; but a broken invariant is a bug of the service, whoever caught it. */
function listeningLogger(onBug: (thrown: unknown) => void): Logger {
  const listen = (fields: object) => {
    if ("err" in fields && fields.err instanceof InvariantViolation) onBug(fields.err);
  };
  return { debug: listen, info: listen, warn: listen, error: listen };
}

interface Running {
  readonly sinks: readonly EventSink[];
  readonly endpoints: readonly ServedEndpoint[];
  begin(feed: EventFeed): Promise<void> | void;
}

export class SimProcess {
  readonly kind: Kind;
  readonly #cluster: Cluster;
  readonly #chassis: string;
  readonly #instance: number;
  #life = 0;
  #alive = false;
  /** It sleeps until this instant. */
  #awakeAtMs = 0;
  /** It reaches nobody until this instant. */
  #cutUntilMs = 0;
  #driver: ScriptedDriver | undefined;
  #undo: (() => void)[] = [];

  constructor(kind: Kind, cluster: Cluster, instance: number, chassis = "") {
    this.#instance = instance;
    this.kind = kind;
    this.#cluster = cluster;
    this.#chassis = chassis;
  }

  /** Guests that run here now; none where no agent is. */
  get driver(): ScriptedDriver | undefined {
    return this.#alive ? this.#driver : undefined;
  }

  /** True while it neither sleeps nor is dead. */
  get isAwake(): boolean {
    return this.#alive && this.#cluster.universe.nowMs >= this.#awakeAtMs;
  }

  /** True while it reaches nobody. */
  get isCut(): boolean {
    return this.#cluster.universe.nowMs < this.#cutUntilMs;
  }

  /** Whatever is cut is mended. */
  mend(): void {
    this.#cutUntilMs = 0;
  }

  start(): void {
    this.#life += 1;
    this.#alive = true;
    this.#awakeAtMs = 0;
    const life = this.#life;
    const isAlive = () => this.#alive && this.#life === life;
    const ports = this.#portsOf(isAlive, life);
    const service = this.#create(ports);
    const sinks = this.kind === SNAPSHOT_WRITER ? withEveryKind(service.sinks) : service.sinks;
    const feed = new EventFeed(ports.log, sinks, ports.timers);
    feed.onStop((cause) => this.#cluster.onBug(cause));
    const endpoints = new Map(service.endpoints.map((served) => [served.endpoint.subject, served]));
    const { source, writer } = this.#snapshots(ports, feed, isAlive);
    void feed.start(source).then(async () => {
      if (!isAlive()) return;
      await service.begin(feed);
      await writer?.begin();
      const awake = () => this.#awake();
      this.#undo.push(this.#cluster.bus.serve({ alive: isAlive, awake, endpoints }));
    }, this.#cluster.onBug);
    this.#troubleIn(isAlive);
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
          chassis: parseOwnChassis(this.#chassis),
          drivers: [driver],
          monotonicMs: () => this.#cluster.universe.nowMs,
          lostAfterMs: LOST_AFTER_MS,
          checkpointIntervalMs: CHECKPOINT_INTERVAL_MS,
        });
      }
    }
  }

  /** Every process starts from the newest snapshot, lifecycle writes them. */
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
    const { universe } = this.#cluster;
    universe.after(universe.between(least, most), () => this.start());
  }

  /** Now and then this process dies, or its driver or a guest gives trouble. */
  #troubleIn(isAlive: () => boolean): void {
    const { universe, faults } = this.#cluster;
    universe.after(universe.between(1, TROUBLE_INTERVAL_MS), () => {
      if (!isAlive()) return;
      if (universe.chance(0.2) && faults.strikes("process-killed")) return this.kill();
      if (this.#driver !== undefined) {
        if (faults.strikes("agent-gone")) return this.kill(GONE_MS);
        if (faults.strikes("agent-cut"))
          this.#cutUntilMs = universe.nowMs + universe.between(CUT_MS.least, CUT_MS.most);
        troubleDriver(this.#driver, this.#cluster, isAlive);
      }
      this.#troubleIn(isAlive);
    });
  }

  async #awake(): Promise<void> {
    const { universe } = this.#cluster;
    while (universe.nowMs < this.#awakeAtMs) await universe.delay(this.#awakeAtMs - universe.nowMs);
  }

  /** What is sent leaves when the process does not sleep; it may fall asleep just then. */
  #leave(fault: FaultName, leastMs: number): Promise<void> {
    const { universe, faults } = this.#cluster;
    if (faults.strikes(fault)) this.#awakeAtMs = universe.nowMs + universe.between(leastMs, PAUSE_MS.most);
    return this.#awake();
  }

  /** Ports through which nothing comes or goes once the process is dead. */
  #portsOf(isAlive: () => boolean, life: number): ServicePorts {
    const { universe, log, bus } = this.#cluster;
    let ids = 0;
    const alive = async <T>(work: Promise<T>): Promise<T> => {
      try {
        const value = await work;
        await this.#awake();
        return isAlive() ? value : await new Promise<T>(() => undefined);
      } catch (thrown) {
        await this.#awake();
        if (isAlive()) throw thrown;
        return new Promise<T>(() => undefined);
      }
    };
    const timer = (delayMs: number, callback: () => void) => {
      const fire = () => {
        if (!isAlive()) return;
        if (universe.nowMs < this.#awakeAtMs)
          current = universe.after(this.#awakeAtMs - universe.nowMs, fire);
        else callback();
      };
      let current = universe.after(delayMs, fire);
      return { cancel: () => current.cancel() };
    };
    const isCut = () => this.isCut;
    /** Over a cut nothing arrives, and whoever waits is told in the end. */
    const reach = async <T>(work: () => Promise<T>): Promise<T> => {
      if (!isCut()) return work();
      await universe.delay(CUT_CALL_MS);
      throw new Fault("UNAVAILABLE", "nobody is in reach", { retryable: true });
    };
    const send = async <T>(work: () => Promise<T>, isProposal = false): Promise<T> => {
      await (isProposal
        ? this.#leave("proposer-paused", LEAST_PROPOSER_PAUSE_MS)
        : this.#leave("process-paused", PAUSE_MS.least));
      return isAlive() ? alive(reach(work)) : new Promise<T>(() => undefined);
    };
    const world: Pick<ServicePorts, "clock" | "ids" | "logger" | "timers"> = {
      clock: { nowMs: () => universe.nowMs },
      ids: {
        next: () => {
          ids += 1;
          return `${this.kind}-${this.#instance}-${life}-${ids}`;
        },
      },
      logger: listeningLogger(this.#cluster.onBug),
      timers: {
        after: timer,
        every: (intervalMs, callback) => {
          let current = { cancel: () => {} };
          const again = () => {
            current = timer(intervalMs, () => {
              callback();
              again();
            });
          };
          again();
          return { cancel: () => current.cancel() };
        },
      },
    };
    const path = leasePath(this.#cluster);
    const store: LeaseStore = {
      read: (name) => alive(path.read(name)),
      write: (name, record, revision) => alive(path.write(name, record, revision)),
    };
    return {
      ...world,
      leases: new StoredLeases({ ...world, store, monotonicMs: () => universe.nowMs }),
      tracer: UNTRACED,
      blobs: blobPath(this.#cluster, { send, alive }),
      log: {
        append: (subject, envelope, expected) => send(() => log.append(subject, envelope, expected)),
        read: (subject, afterSeq, untilSeq) => alive(reach(() => log.read(subject, afterSeq, untilSeq))),
        lastSeq: () => alive(reach(async () => log.events.length)),
        follow: async ({ fromSeq, onEvent, onCaughtUp, onStop }) => {
          const end = log.events.length;
          let caughtUp = end < fromSeq;
          if (caughtUp) onCaughtUp();
          const deliver = (event: StoredEvent) => {
            if (!isAlive()) return;
            try {
              onEvent(event);
            } catch (cause) {
              onStop(cause);
              return;
            }
            if (caughtUp || event.seq < end) return;
            caughtUp = true;
            onCaughtUp();
          };
          const stop = log.follow(fromSeq, deliver, () => Math.max(this.#awakeAtMs, this.#cutUntilMs));
          this.#undo.push(stop);
          return { stop: async () => stop() };
        },
      },
      bus: {
        call: (subject, payload, options) =>
          send(() => bus.call(subject, payload, options), subject === ENDPOINTS.ledgerReserve.subject),
        publish: (subject, payload) => {
          if (!isAlive() || isCut()) return;
          if (subject.startsWith(ALERTS)) this.#cluster.witness.sawPublished(payload as AlertNotification);
          bus.publish(subject, payload);
        },
        subscribe: (subject, hear) => {
          const subscription = bus.subscribe(subject, (payload, from) => {
            void this.#awake().then(() => isAlive() && !isCut() && hear(payload, from));
          });
          this.#undo.push(() => subscription.stop());
          return subscription;
        },
      },
    };
  }
}
