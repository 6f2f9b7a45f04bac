/**
 * Carries out the durable commands of one service's aggregates.
 *
 * Each kind of aggregate has a lease, and only the instance that holds it works on the jobs of that kind. A new holder
 * creates the consumer of the kind again. The consumer begins with the oldest job that has no outcome, so no later job
 * overtakes one that an earlier holder left. Jobs of one VM are carried out in the order they were stored, jobs of
 * different VMs concurrently.
 *
 * A holder that lost its lease finishes its tries in progress. The message ids, not the lease, make these tries
 * harmless: see job-attempt.ts.
 */
import {
  contentLimitOf,
  DEAD_LETTER_STREAM,
  JOB_AGGREGATES,
  JOB_OUTCOME_STREAM,
  JOB_STREAM,
  jobAggregatesOf,
  jobQueueOf,
  jobSubjectsOf,
  type ServiceName,
  STRAY_JOB_OWNER,
} from "@bioxen/contracts";
import { Fault, KeyedQueue, type Lease, type Leases, messageOf, type Timers } from "@bioxen/kernel";
import {
  AckPolicy,
  type ConsumerMessages,
  DeliverPolicy,
  JetStreamApiError,
  type JsMsg,
} from "@nats-io/jetstream";
import type { Bus } from "./bus.ts";
import { parseJson } from "./command.ts";
import { jetStreamOf, streamManagerOf } from "./jet-stream.ts";
import {
  type AfterTry,
  type AttemptOptions,
  JobAttempts,
  type PendingJob,
  problemOf,
} from "./job-attempt.ts";
import { jobHeaders, jobOf } from "./job-message.ts";
import { JobStore } from "./job-store.ts";
import { Semaphore } from "./semaphore.ts";
import type { StorageSettings } from "./storage.ts";
import { restoreStream } from "./streams.ts";

/**
 * Maximum number of tries in progress at one time, each of another VM or chassis. The number is high enough to hide the
 * waits for the disk, and low enough to leave room for requests.
 */
const MAX_TRIES_AT_ONCE = 16;
/**
 * Maximum number of jobs that a lease holder has received and not acknowledged; all are in memory. When more jobs than
 * this wait behind a failing job of one VM, the jobs of other VMs wait too, until the failing job is a dead letter.
 */
const MAX_UNACKNOWLEDGED = 1_024;
/** Time without a sign of life from the worker after which the server delivers an unacknowledged job again, ms. */
const ACK_WAIT_MS = 60_000;
/**
 * Interval at which the worker sends a sign of life for each unacknowledged job, ms. Two in a row may be lost before
 * the server delivers the job again.
 */
const WORKING_INTERVAL_MS = 15_000;
/**
 * Interval of the server's heartbeats during a pull request, ms, as in the event feed. After two missed heartbeats the
 * client sends a new pull request.
 */
const PULL_HEARTBEAT_MS = 750;
/** Longest life of one pull request, ms. The client waits about this long before it retries an unreachable consumer. */
const PULL_EXPIRES_MS = 3_000;
/** Wait before the next attempt after the creation of the consumer has failed, ms. */
const REOPEN_WAIT_MS = 500;
/**
 * Interval of the searches for stray jobs (jobs that no service owns), ms. It may be long, because no caller waits for
 * stray jobs.
 */
const STRAY_LOOK_MS = 1_000;
/** Maximum number of stray jobs of one subject that one search turns into dead letters. */
const STRAYS_PER_LOOK = 256;

/** The streams that a worker needs, and creates again when they are gone. */
const JOB_STREAMS = [JOB_STREAM, JOB_OUTCOME_STREAM, DEAD_LETTER_STREAM];

export interface JobWorkerOptions extends Omit<AttemptOptions, "store" | "maxBytes"> {
  readonly bus: Bus;
  readonly service: ServiceName;
  readonly leases: Leases;
  readonly timers: Timers;
  /** What the installation asks of the streams of jobs, when they must be created again; default: nothing. */
  readonly storage?: StorageSettings;
}

type WorkerOptions = AttemptOptions & Pick<JobWorkerOptions, "timers" | "storage">;

export interface JobWorker {
  /** Waits until the tries in progress have ended, then releases the leases. */
  stop(): Promise<void>;
}

export async function openJobWorker(options: JobWorkerOptions): Promise<JobWorker> {
  const { bus, leases, service } = options;
  const restore = (stream: string) => restoreStream(bus, stream, options.storage ?? {});
  const store = await JobStore.open(bus, restore);
  const unavailable = () => (bus.connected ? options.unavailable() : "the bus is disconnected");
  const maxBytes = () => contentLimitOf(bus.maxPayloadBytes);
  const attempts = { ...options, unavailable, store, maxBytes };
  const stopping = jobAggregatesOf(service).map((aggregate) =>
    underLease(leases, `jobs-${aggregate}`, (lease) => new KindWorker(bus, aggregate, attempts, lease)),
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

/**
 * Contends for the lease `name`. Each time this process acquires the lease, calls `begin`. When this process loses the
 * lease, calls `end` of the object from `begin`. Returns a function that ends the work and releases the lease.
 */
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

class KindWorker implements Endable {
  readonly #bus: Bus;
  readonly #aggregate: string;
  readonly #attempts: JobAttempts;
  readonly #held: () => boolean;
  readonly #storage: StorageSettings;
  readonly #onFault: (subject: string, thrown: unknown) => void;
  /**
   * For each VM or chassis, its jobs in the order they were stored. A job that waits for its next try holds up the jobs
   * behind it.
   */
  readonly #turns = new KeyedQueue();
  readonly #places = new Semaphore(MAX_TRIES_AT_ONCE);
  /** For each job that waits for its next try, the function that ends this wait early. */
  readonly #waits = new Set<() => void>();
  /** The latest delivered message of each unacknowledged job, by stream sequence. */
  readonly #unacknowledged = new Map<number, JsMsg>();
  readonly #timers: Timers;
  readonly #keepAlive: { cancel(): void };
  #messages: ConsumerMessages | undefined;
  #reopen: { cancel(): void } | undefined;
  #ended = false;

  constructor(bus: Bus, aggregate: string, options: WorkerOptions, held: () => boolean) {
    this.#bus = bus;
    this.#aggregate = aggregate;
    this.#held = held;
    this.#storage = options.storage ?? {};
    this.#onFault = options.onFault;
    this.#attempts = new JobAttempts(options);
    this.#timers = options.timers;
    this.#keepAlive = this.#timers.every(WORKING_INTERVAL_MS, () => {
      for (const message of this.#unacknowledged.values()) message.working();
    });
    void this.#open();
  }

  async end(): Promise<void> {
    this.#ended = true;
    this.#keepAlive.cancel();
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
    const js = jetStreamOf(this.#bus);
    const jsm = await streamManagerOf(this.#bus);
    for (const stream of JOB_STREAMS) await restoreStream(this.#bus, stream, this.#storage);
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
      max_ack_pending: MAX_UNACKNOWLEDGED,
      max_deliver: -1,
    });
    const consumer = await js.consumers.get(JOB_STREAM, name);
    const messages = await consumer.consume({
      max_messages: MAX_UNACKNOWLEDGED,
      expires: PULL_EXPIRES_MS,
      idle_heartbeat: PULL_HEARTBEAT_MS,
      abort_on_missing_resource: true,
      callback: (message) => this.#receive(message),
    });
    this.#messages = messages;
    if (this.#ended) await messages.close();
    // The messages end when another holder, or an operator, has deleted the consumer.
    void messages.closed().then(() => this.#openLater());
  }

  #receive(message: JsMsg): void {
    if (this.#ended) return;
    const isRedelivery = this.#unacknowledged.has(message.seq);
    this.#unacknowledged.set(message.seq, message);
    if (isRedelivery) return;
    const { subject, seq, data, time } = message;
    const headers = jobHeaders(() => message.headers);
    const job = jobOf({ subject, seq, data, ...headers, storedAtMs: time.getTime() });
    const payload = parseJson(data);
    const turn = payload.ok ? jobQueueOf(payload.value) : undefined;
    void this.#turns.run(turn ?? `job ${seq}`, () => this.#carryOut({ job, attempts: 0 }));
  }

  /** Tries a job until it is done or this worker ends. Between two tries the job frees its slot for other jobs. */
  async #carryOut(pending: PendingJob): Promise<void> {
    while (!this.#ended) {
      const after = await this.#places.run(() => this.#try(pending));
      if (after.kind === "done" || this.#ended) return;
      await this.#wait(after.afterMs);
    }
  }

  /** Resolves after `ms`, or earlier when this worker ends. */
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

  async #try(pending: PendingJob): Promise<AfterTry> {
    // Without the lease, this worker leaves the job to the next holder, which begins with that job. The worker may also
    // have ended while the job waited for a slot.
    if (this.#ended || !this.#held()) return { kind: "again", afterMs: REOPEN_WAIT_MS };
    const after = await this.#attempts.try(pending);
    if (after.kind === "done") {
      const message = this.#unacknowledged.get(pending.job.seq);
      this.#unacknowledged.delete(pending.job.seq);
      // If this acknowledgement is lost, the server delivers the job again, and the worker then finds the stored
      // outcome.
      await message?.ackAck().catch(() => undefined);
    }
    return after;
  }
}

/**
 * Turns jobs that no service owns into dead letters. Without this class they would stay, because no service's consumer
 * delivers them.
 */
class StrayJobs implements Endable {
  readonly #store: JobStore;
  readonly #onFault: (subject: string, thrown: unknown) => void;
  readonly #looks: { cancel(): void };
  #working: Promise<void> | undefined;

  constructor(store: JobStore, { onFault, timers }: WorkerOptions) {
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
  const message = `cannot pull jobs of ${aggregate}: ${messageOf(thrown)}`;
  return new Fault("UNAVAILABLE", message, { retryable: true, cause: thrown });
}
