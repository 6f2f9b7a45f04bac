/**
 * Carries out the durable commands of one service's aggregates.
 *
 * Of several instances the one that holds the lease of a kind works on it. Whoever gets the lease makes the kind's consumer
 * anew: it begins with the oldest job that has no outcome, so that nothing an earlier holder had in its hands is overtaken by
 * what came later. Jobs of one VM are carried out in the order they were stored, different VMs at the same time.
 *
 * A holder that lost its lease finishes what it has begun. That this is harmless is not the lease's doing: see job-attempt.ts.
 */
import {
  JOB_AGGREGATES,
  JOB_STREAM,
  jobAggregatesOf,
  jobSubjectsOf,
  type ServiceName,
  STRAY_JOB_OWNER,
  turnOf,
} from "@bioxen/contracts";
import { Fault, KeyedQueue, type Lease, type Leases, messageOf, type Timers } from "@bioxen/kernel";
import {
  AckPolicy,
  type ConsumerMessages,
  DeliverPolicy,
  JetStreamApiError,
  type JsMsg,
  jetstream,
  jetstreamManager,
} from "@nats-io/jetstream";
import type { Bus } from "./bus.ts";
import { parseJson } from "./command.ts";
import { type AfterTry, type AttemptOptions, JobAttempts, problemOf, type Trying } from "./job-attempt.ts";
import { jobOf } from "./job-message.ts";
import { JobStore } from "./job-store.ts";
import { Semaphore } from "./semaphore.ts";

/** Jobs tried at once, of different VMs or chassis: enough to hide the waits for the disk, few enough to leave room for requests. */
const MAX_TRIES_AT_ONCE = 16;
/**
 * Jobs a holder has in its hands, and so in memory. A VM with more than this many behind a job that is being retried delays
 * the others until that one is a dead letter.
 */
const MAX_JOBS_IN_HAND = 1_024;
/** A job in hand that is not heard of for this long, ms, is delivered again. */
const ACK_WAIT_MS = 60_000;
/** Between two signs of life for all jobs in hand, ms: two may fail. */
const WORKING_INTERVAL_MS = 15_000;
/** Two missed heartbeats, ms, and the pull is made again: as the event feed. */
const PULL_HEARTBEAT_MS = 750;
/** Longest life of one pull, ms; about as long the client waits to ask again after a consumer that is out of reach, as in an election. */
const PULL_EXPIRES_MS = 3_000;
/** Wait before a consumer that cannot be made is tried again, ms. */
const REOPEN_WAIT_MS = 500;
/** Between two looks for jobs that nobody owns, ms: nobody waits for them. */
const STRAY_LOOK_MS = 1_000;
/** Stray jobs ended in one look. */
const STRAYS_PER_LOOK = 256;

export interface JobWorkerOptions extends Omit<AttemptOptions, "store"> {
  readonly bus: Bus;
  readonly service: ServiceName;
  readonly leases: Leases;
  readonly timers: Timers;
}

type LaneOptions = AttemptOptions & { readonly timers: Timers };

export interface JobWorker {
  /** Gives the leases back once what is under way has come to its end. */
  stop(): Promise<void>;
}

export async function openJobWorker(options: JobWorkerOptions): Promise<JobWorker> {
  const { bus, leases, service } = options;
  const store = await JobStore.open(bus);
  const unavailable = () => (bus.connected ? options.unavailable() : "the bus is disconnected");
  const attempts = { ...options, unavailable, store };
  const stopping = jobAggregatesOf(service).map((aggregate) =>
    underLease(leases, `jobs-${aggregate}`, (lease) => new JobLane(bus, aggregate, attempts, lease)),
  );
  if (service === STRAY_JOB_OWNER) {
    stopping.push(underLease(leases, "jobs-stray", () => new StrayJobs(store, attempts)));
  }
  return {
    async stop() {
      await Promise.all(stopping.map((stop) => stop()));
    },
  };
}

interface Endable {
  end(): Promise<void>;
}

/** `begin` each time the lease is got; what it began ends when it is lost. The function returned ends it for good. */
function underLease(
  leases: Leases,
  name: string,
  begin: (held: () => boolean) => Endable,
): () => Promise<void> {
  let current: Endable | undefined;
  const lease: Lease = leases.contend(name, {
    onHeld: () => {
      current = begin(() => lease.token() !== undefined);
    },
    onLost: () => {
      void current?.end();
      current = undefined;
    },
  });
  return async () => {
    await current?.end();
    await lease.release();
  };
}

class JobLane implements Endable {
  readonly #bus: Bus;
  readonly #aggregate: string;
  readonly #attempts: JobAttempts;
  readonly #held: () => boolean;
  readonly #onFault: (subject: string, thrown: unknown) => void;
  /** Jobs of one VM in the order they were stored; a job that waits for its next try holds up the ones behind it. */
  readonly #turns = new KeyedQueue();
  readonly #places = new Semaphore(MAX_TRIES_AT_ONCE);
  /** Ends the wait of each job that waits for its next try. */
  readonly #waits = new Set<() => void>();
  /** The message of each job in hand, the latest where it was delivered again. */
  readonly #inHand = new Map<number, JsMsg>();
  readonly #timers: Timers;
  readonly #signsOfLife: { cancel(): void };
  #messages: ConsumerMessages | undefined;
  #reopen: { cancel(): void } | undefined;
  #ended = false;

  constructor(bus: Bus, aggregate: string, options: LaneOptions, held: () => boolean) {
    this.#bus = bus;
    this.#aggregate = aggregate;
    this.#held = held;
    this.#onFault = options.onFault;
    this.#attempts = new JobAttempts(options);
    this.#timers = options.timers;
    this.#signsOfLife = this.#timers.every(WORKING_INTERVAL_MS, () => {
      for (const message of this.#inHand.values()) message.working();
    });
    void this.#open();
  }

  async end(): Promise<void> {
    this.#ended = true;
    this.#signsOfLife.cancel();
    this.#reopen?.cancel();
    await this.#messages?.close();
    for (const endWait of this.#waits) endWait();
    await this.#turns.idle();
  }

  async #open(): Promise<void> {
    try {
      await this.#pull();
    } catch (thrown) {
      this.#onFault(jobSubjectsOf(this.#aggregate), asFault(this.#aggregate, thrown));
      this.#openLater();
    }
  }

  #openLater(): void {
    if (this.#ended) return;
    this.#reopen = this.#timers.after(REOPEN_WAIT_MS, () => void this.#open());
  }

  async #pull(): Promise<void> {
    const js = jetstream(this.#bus.connection);
    const jsm = await jetstreamManager(this.#bus.connection);
    const name = `jobs-${this.#aggregate}`;
    await jsm.consumers.delete(JOB_STREAM, name).catch((cause: unknown) => {
      if (!(cause instanceof JetStreamApiError)) throw cause;
    });
    if (this.#ended || !this.#held()) return;
    await jsm.consumers.add(JOB_STREAM, {
      durable_name: name,
      filter_subject: jobSubjectsOf(this.#aggregate),
      ack_policy: AckPolicy.Explicit,
      ack_wait: ACK_WAIT_MS * 1_000_000,
      deliver_policy: DeliverPolicy.All,
      max_ack_pending: MAX_JOBS_IN_HAND,
      max_deliver: -1,
    });
    const consumer = await js.consumers.get(JOB_STREAM, name);
    const messages = await consumer.consume({
      max_messages: MAX_JOBS_IN_HAND,
      expires: PULL_EXPIRES_MS,
      idle_heartbeat: PULL_HEARTBEAT_MS,
      abort_on_missing_resource: true,
      callback: (message) => this.#receive(message),
    });
    this.#messages = messages;
    if (this.#ended) await messages.close();
    // Somebody took the consumer away: another holder, or an operator.
    void messages.closed().then(() => this.#openLater());
  }

  #receive(message: JsMsg): void {
    if (this.#ended) return;
    const isInHand = this.#inHand.has(message.seq);
    this.#inHand.set(message.seq, message);
    if (isInHand) return;
    const { subject, seq, data, headers, time } = message;
    const job = jobOf({ subject, seq, data, headers, storedAtMs: time.getTime() });
    const payload = parseJson(data);
    const turn = payload.ok ? turnOf(payload.value) : undefined;
    void this.#turns.run(turn ?? `job ${seq}`, () => this.#carryOut({ job, attempts: 0 }));
  }

  /** Tries a job until it is done or the lane has ended. Between two tries it leaves its place to other jobs. */
  async #carryOut(trying: Trying): Promise<void> {
    while (!this.#ended) {
      const after = await this.#places.run(() => this.#try(trying));
      if (after.kind === "done" || this.#ended) return;
      await this.#wait(after.afterMs);
    }
  }

  /** Resolves after `ms`, or when the lane ends. */
  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const endWait = () => {
        timer.cancel();
        this.#waits.delete(endWait);
        resolve();
      };
      const timer = this.#timers.after(ms, endWait);
      this.#waits.add(endWait);
    });
  }

  async #try(trying: Trying): Promise<AfterTry> {
    // The next holder begins with this job. The check for the end is here because the job may have waited for its place.
    if (this.#ended || !this.#held()) return { kind: "again", afterMs: REOPEN_WAIT_MS };
    const after = await this.#attempts.try(trying);
    if (after.kind === "done") {
      const message = this.#inHand.get(trying.job.seq);
      this.#inHand.delete(trying.job.seq);
      // Should this get lost, the job is delivered again and its outcome found.
      await message?.ackAck().catch(() => undefined);
    }
    return after;
  }
}

/** Ends jobs of kinds that nobody owns, and of no kind at all: no consumer of any service would see them. */
class StrayJobs implements Endable {
  readonly #store: JobStore;
  readonly #onFault: (subject: string, thrown: unknown) => void;
  readonly #looks: { cancel(): void };
  #working: Promise<void> | undefined;

  constructor(store: JobStore, { onFault, timers }: LaneOptions) {
    this.#store = store;
    this.#onFault = onFault;
    this.#looks = timers.every(STRAY_LOOK_MS, () => {
      this.#working ??= this.#look().finally(() => {
        this.#working = undefined;
      });
    });
  }

  async end(): Promise<void> {
    this.#looks.cancel();
    await this.#working;
  }

  async #look(): Promise<void> {
    try {
      for (const subject of await this.#store.waitingSubjects()) {
        if (isOwned(subject)) continue;
        for (const job of await this.#store.waiting(STRAYS_PER_LOOK, subject)) {
          const error = problemOf(job);
          if (error === undefined) continue;
          await this.#store.bury(job, error, 0);
          await this.#store.removeJob(job.seq);
        }
      }
    } catch (thrown) {
      this.#onFault(JOB_STREAM, thrown);
    }
  }
}

function isOwned(subject: string): boolean {
  return JOB_AGGREGATES.some((aggregate) => subject.startsWith(jobSubjectsOf(aggregate).slice(0, -1)));
}

function asFault(aggregate: string, thrown: unknown): Fault {
  const message = `jobs of ${aggregate} cannot be pulled: ${messageOf(thrown)}`;
  return new Fault("UNAVAILABLE", message, { retryable: true, cause: thrown });
}
