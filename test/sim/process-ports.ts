/**
 * The ports of one life of a simulated process. Nothing passes through them while the process sleeps or is cut off, nor
 * after its death.
 */
import { type AlertNotification, ENDPOINTS } from "@bioxen/contracts";
import {
  deliverTo,
  Fault,
  InvariantViolation,
  type LeaseStore,
  type Logger,
  type LogMessage,
  readableOnly,
  type ServicePorts,
  StoredLeases,
  UNTRACED,
} from "@bioxen/kernel";
import { blobPath } from "./blob-path.ts";
import type { Cluster } from "./cluster.ts";
import { coursePath } from "./course-path.ts";
import { leasePath } from "./lease-path.ts";
import type { Presence } from "./presence.ts";

/** The prefix of the subjects on which alerts are published. */
const ALERTS = "bioxen.alert.";
/** A call of a process that is cut off fails after this time, ms. */
const CUT_CALL_MS = 1_000;
/**
 * How long a process may sleep, ms. With one late message this is shorter than the grace of an expiry, which must cover
 * both.
 */
const PAUSE_MS = { least: 500, most: 6_000 };
/** A proposer that sleeps at least this long, ms, has lost its lease to another instance if there is one. */
const PROPOSER_PAUSE_MS = { least: 3_500, most: PAUSE_MS.most };

/** One life of a process: from a start to the next kill. */
export interface Life {
  readonly cluster: Cluster;
  readonly presence: Presence;
  /** Prefix of the ids of this life, unique in the cluster. */
  readonly name: string;
  /** The service, or the id of the agent. */
  readonly kind: string;
  readonly isAlive: () => boolean;
  /** Registers what a kill must undo. */
  readonly onKill: (undo: () => void) => void;
}

/** The ways through which a life reaches the world outside. */
interface Door {
  /** The outcome of `work`, once the process is awake. A dead process gets none. */
  readonly alive: <T>(work: Promise<T>) => Promise<T>;
  /** Like `alive`, for work that a cut makes fail. */
  readonly reach: <T>(work: () => Promise<T>) => Promise<T>;
  /** Like both, for work that changes something. The process may fall asleep just before it. */
  readonly send: <T>(work: () => Promise<T>, isProposal?: boolean) => Promise<T>;
}

/** The ports of a service, and how one life reaches the log that its guard watches. */
export type LifePorts = ServicePorts & { readonly reach: <T>(work: () => Promise<T>) => Promise<T> };

export function portsOf(life: Life): LifePorts {
  const { cluster } = life;
  const { universe } = cluster;
  const door = doorOf(life);
  const { alive, send } = door;
  const world = { ...clockOf(life), logger: bugListener(cluster.onBug) };
  const path = leasePath(cluster, life.presence);
  const store: LeaseStore = {
    read: (name) => alive(path.read(name)),
    write: (name, record, revision) => alive(path.write(name, record, revision)),
  };
  const hasEnded = (holder: string) => cluster.seesEnded && cluster.ended.has(lifeOf(holder));
  return {
    ...world,
    leases: new StoredLeases({ ...world, store, monotonicMs: () => universe.nowMs, hasEnded }),
    tracer: UNTRACED,
    blobs: blobPath(cluster, { send, alive }),
    courses: coursePath(cluster, { send, alive }),
    log: logOf(life, door),
    bus: busOf(life, door),
    reach: (work) => alive(door.reach(work)),
  };
}

/** Returns the name of the life that made this id. */
function lifeOf(id: string): string {
  return id.slice(0, id.lastIndexOf("-"));
}

function doorOf({ cluster: { universe, faults }, presence, isAlive }: Life): Door {
  const alive = async <T>(work: Promise<T>): Promise<T> => {
    try {
      const value = await work;
      await presence.awake();
      return isAlive() ? value : await new Promise<T>(() => undefined);
    } catch (thrown) {
      await presence.awake();
      if (isAlive()) throw thrown;
      return new Promise<T>(() => undefined);
    }
  };
  const reach = async <T>(work: () => Promise<T>): Promise<T> => {
    if (!presence.isCut) return work();
    await universe.delay(CUT_CALL_MS);
    throw new Fault("UNAVAILABLE", "the process is cut off", { retryable: true });
  };
  const send = async <T>(work: () => Promise<T>, isProposal = false): Promise<T> => {
    if (faults.strikes(isProposal ? "proposer-paused" : "process-paused"))
      presence.sleep(isProposal ? PROPOSER_PAUSE_MS : PAUSE_MS);
    await presence.awake();
    return isAlive() ? alive(reach(work)) : new Promise<T>(() => undefined);
  };
  return { alive, reach, send };
}

function clockOf(life: Life): Pick<ServicePorts, "clock" | "ids" | "timers"> {
  const { cluster, presence, name, isAlive } = life;
  const { universe } = cluster;
  let ids = 0;
  const after = (delayMs: number, callback: () => void) => {
    const fire = () => {
      if (!isAlive()) return;
      if (presence.asleepForMs > 0) current = universe.after(presence.asleepForMs, fire);
      else callback();
    };
    let current = universe.after(delayMs, fire);
    return { cancel: () => current.cancel() };
  };
  const every = (intervalMs: number, callback: () => void) => {
    let current = { cancel: () => {} };
    const again = () => {
      current = after(intervalMs, () => {
        callback();
        again();
      });
    };
    again();
    return { cancel: () => current.cancel() };
  };
  return {
    clock: { nowMs: () => universe.nowMs },
    ids: {
      next: () => {
        ids += 1;
        return `${name}-${ids}`;
      },
    },
    timers: { after, every },
  };
}

/** A logger that prints nothing. An error that shows a broken invariant is a bug, even where the service catches it. */
function bugListener(onBug: (thrown: unknown) => void): Logger {
  const listen = (fields: object) => {
    if ("err" in fields && fields.err instanceof InvariantViolation) onBug(fields.err);
  };
  return { debug: listen, info: listen, warn: listen, error: listen };
}

function logOf({ cluster: { log }, presence, isAlive, onKill }: Life, door: Door): ServicePorts["log"] {
  const { alive, reach, send } = door;
  return {
    append: (subject, envelope, expected) => send(() => log.append(subject, envelope, expected)),
    read: (subject, afterSeq, untilSeq, limit) =>
      alive(reach(async () => readableOnly(await log.readMessages(subject, afterSeq, untilSeq, limit)))),
    readMessages: (subject, afterSeq, untilSeq, limit) =>
      alive(reach(() => log.readMessages(subject, afterSeq, untilSeq, limit))),
    messageAt: (seq) => alive(reach(() => log.messageAt(seq))),
    lastSeq: () => alive(reach(async () => log.lastSeq)),
    follow: async ({ fromSeq, onEvent, onUnreadable, onCaughtUp, onStop }) => {
      const end = log.lastSeq;
      let caughtUp = end < fromSeq;
      if (caughtUp) onCaughtUp();
      const deliver = (message: LogMessage) => {
        if (!isAlive()) return;
        try {
          deliverTo({ onEvent, onUnreadable }, message);
        } catch (cause) {
          onStop(cause);
          return;
        }
        if (caughtUp || message.seq < end) return;
        caughtUp = true;
        onCaughtUp();
      };
      const stop = log.follow(fromSeq, deliver, () => presence.hearsAtMs);
      onKill(stop);
      return { stop: async () => stop() };
    },
  };
}

function busOf(
  { cluster, presence, name, kind, isAlive, onKill }: Life,
  { send }: Door,
): ServicePorts["bus"] {
  const { bus, witness, voices } = cluster;
  return {
    call: (subject, payload, options) =>
      send(() => bus.call(subject, payload, options, name), subject === ENDPOINTS.ledgerReserve.subject),
    publish: (subject, payload) => {
      if (!isAlive() || presence.isCut) return;
      voices.heard(kind, name, subject);
      if (subject.startsWith(ALERTS)) witness.sawPublished(payload as AlertNotification);
      bus.publish(subject, payload);
    },
    subscribe: (subject, hear) => {
      const subscription = bus.subscribe(subject, (payload, from) => {
        void presence.awake().then(() => isAlive() && !presence.isCut && hear(payload, from));
      });
      onKill(() => subscription.stop());
      return subscription;
    },
  };
}
