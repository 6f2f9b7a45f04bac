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
  type IdentityMode,
  JOB_OUTCOME_STREAM,
  JOB_STREAM,
  jobAggregatesOf,
  jobConsumer,
  jobLease,
  jobQueueOf,
  jobSubjectsOf,
  principalOf,
  type ServiceName,
  STRAY_JOB_LEASE,
  STRAY_JOB_OWNER,
} from "@bioxen/contracts";
import { Fault, KeyedQueue, type Leases, messageOf, type Timers } from "@bioxen/kernel";
import {
  AckPolicy,
  type ConsumerMessages,
  DeliverPolicy,
  JetStreamApiError,
  type JsMsg,
} from "@nats-io/jetstream";
import type { Bus } from "./bus.ts";
import { publisherOf } from "./callers.ts";
import { parseJson } from "./command.ts";
import { jetStreamOf, streamManagerOf } from "./jet-stream.ts";
import { type AfterTry, type AttemptOptions, JobAttempts, type PendingJob } from "./job-attempt.ts";
import { type Endable, underLease } from "./job-lease.ts";
import { type Job, jobHeaders, jobOf } from "./job-message.ts";
import { JobPlaces } from "./job-places.ts";
import { JobStore } from "./job-store.ts";
import type { StorageSettings } from "./storage.ts";
import { StrayJobs } from "./stray-jobs.ts";
import { restoreStream } from "./streams.ts";

/**
 * Maximum number of jobs that a lease holder has received and not acknowledged. When more jobs than this wait behind a
 * failing job of one VM, the jobs of other VMs wait too, until the failing job is a dead letter. The principals take turns
 * within this number only.
 */
const MAX_UNACKNOWLEDGED = 1_024;
/**
 * Maximum total size of the payloads that the worker keeps in memory, bytes. For further jobs the worker keeps only the
 * sequence, and reads the payload again for each try. The payloads of 1 024 jobs of the largest size would take 800 MB.
 */
const MAX_HELD_BYTES = 16_777_216;
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
/** Longest wait for the server's confirmation of an acknowledgement, ms. */
const ACK_TIMEOUT_MS = 2_000;
/** Payloads of the acknowledgements of JetStream: the job is done, or still in progress. */
const ACKNOWLEDGED = "+ACK";
const IN_PROGRESS = "+WPI";
/** Wait before the next attempt after the creation of the consumer has failed, ms. */
const REOPEN_WAIT_MS = 500;

/** The streams that a worker needs, and creates again when they are gone. */
const JOB_STREAMS = [JOB_STREAM, JOB_OUTCOME_STREAM, DEAD_LETTER_STREAM];

export interface JobWorkerOptions extends Omit<AttemptOptions, "store" | "maxBytes"> {
  readonly bus: Bus;
  readonly service: ServiceName;
  readonly leases: Leases;
  readonly timers: Timers;
  /** Number of copies and largest sizes for job streams that must be created again; default: one copy, no limit. */
  readonly storage?: StorageSettings;
  /** Maximum size of the payloads in memory, bytes; default: 16 MiB. */
  readonly maxHeldBytes?: number;
}

type WorkerOptions = AttemptOptions & Pick<JobWorkerOptions, "timers" | "storage" | "maxHeldBytes">;

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
    underLease(leases, jobLease(aggregate), (lease) => new KindWorker(bus, aggregate, attempts, lease)),
  );
  if (service === STRAY_JOB_OWNER) {
    stopping.push(underLease(leases, STRAY_JOB_LEASE, () => new StrayJobs(store, attempts)));
  }
  return {
    async stop() {
      await Promise.all(stopping.map((stop) => stop()));
    },
  };
}

/** A job as the worker knows it before it reads the payload. */
interface Received {
  readonly seq: number;
  /** The principal that published the job. */
  readonly principal: string;
}

/** A delivered message. `reply` is the subject for its acknowledgements, which the client library's type omits. */
type DeliveredMsg = JsMsg & { readonly reply: string };

class KindWorker implements Endable {
  readonly #bus: Bus;
  readonly #aggregate: string;
  readonly #attempts: JobAttempts;
  readonly #held: () => boolean;
  readonly #storage: StorageSettings;
  readonly #onFault: AttemptOptions["onFault"];
  /**
   * For each VM or chassis, its jobs in the order they were stored. A job that waits for its next try holds up the jobs
   * behind it.
   */
  readonly #turns = new KeyedQueue();
  readonly #places = new JobPlaces();
  readonly #identities: IdentityMode;
  /** For each job that waits for its next try, the function that ends this wait early. */
  readonly #waits = new Set<() => void>();
  /** By stream sequence of each unacknowledged job: the acknowledgement subject of the job's latest delivery. */
  readonly #unacknowledged = new Map<number, string>();
  readonly #store: JobStore;
  readonly #maxHeldBytes: number;
  #heldBytes = 0;
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
    this.#identities = options.identities ?? "open";
    this.#attempts = new JobAttempts(options);
    this.#store = options.store;
    this.#maxHeldBytes = options.maxHeldBytes ?? MAX_HELD_BYTES;
    this.#timers = options.timers;
    this.#keepAlive = this.#timers.every(WORKING_INTERVAL_MS, () => {
      for (const reply of this.#unacknowledged.values()) this.#bus.connection.publish(reply, IN_PROGRESS);
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
      this.#onFault(this.#name, asFault(this.#aggregate, thrown));
      this.#openLater();
    }
  }

  /** The name of the consumer. */
  get #name(): string {
    return jobConsumer(this.#aggregate);
  }

  #openLater(): void {
    if (this.#ended) return;
    this.#reopen = this.#timers.after(REOPEN_WAIT_MS, () => void this.#open());
  }

  async #pull(): Promise<void> {
    const js = jetStreamOf(this.#bus);
    const jsm = await streamManagerOf(this.#bus);
    for (const stream of JOB_STREAMS) await restoreStream(this.#bus, stream, this.#storage);
    const name = this.#name;
    await jsm.consumers.delete(JOB_STREAM, name).catch((cause: unknown) => {
      if (!(cause instanceof JetStreamApiError)) throw cause;
    });
    if (this.#ended || !this.#held()) return;
    await jsm.consumers.add(JOB_STREAM, {
      durable_name: name,
      filter_subjects: [...jobSubjectsOf(this.#aggregate)],
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
    const { subject, seq, data, time, reply } = message as DeliveredMsg;
    const isRedelivery = this.#unacknowledged.has(seq);
    this.#unacknowledged.set(seq, reply);
    if (isRedelivery) return;
    const payload = parseJson(data);
    const principal = principalOf(publisherOf(this.#identities, subject).identity);
    const turn = (payload.ok ? jobQueueOf(payload.value) : undefined) ?? `job ${seq}`;
    if (this.#heldBytes + data.byteLength > this.#maxHeldBytes) {
      void this.#turns.run(turn, () => this.#carryOut({ seq, principal }, () => this.#store.waitingAt(seq)));
      return;
    }
    const headers = jobHeaders(() => message.headers);
    // The job gets a copy of the payload: `data` is a view that would keep the socket's whole buffer in memory.
    const job = jobOf({ subject, seq, data: data.slice(), ...headers, storedAtMs: time.getTime() });
    this.#heldBytes += data.byteLength;
    void this.#turns
      .run(turn, () => this.#carryOut({ seq, principal }, async () => job))
      .finally(() => {
        this.#heldBytes -= data.byteLength;
      });
  }

  /**
   * Tries a job until the job is done or this worker ends. While the job waits for its next try, it takes no place.
   * `read` returns the job, or undefined when the job has left the queue.
   */
  async #carryOut({ seq, principal }: Received, read: () => Promise<Job | undefined>): Promise<void> {
    const progress = { attempts: 0 };
    while (!this.#ended) {
      const after = await this.#places.run(principal, () => this.#try(seq, read, progress));
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

  async #try(
    seq: number,
    read: () => Promise<Job | undefined>,
    progress: { attempts: number },
  ): Promise<AfterTry> {
    // Without the lease, this worker leaves the job to the next holder, which begins with that job. The worker may also
    // have ended while the job waited for a slot.
    if (this.#ended || !this.#held()) return { kind: "again", afterMs: REOPEN_WAIT_MS };
    let after: AfterTry = { kind: "done" };
    try {
      const job = await read();
      if (job !== undefined) {
        const pending: PendingJob = { job, attempts: progress.attempts };
        after = await this.#attempts.try(pending);
        progress.attempts = pending.attempts;
      }
    } catch (thrown) {
      this.#onFault(this.#name, thrown);
      return { kind: "again", afterMs: REOPEN_WAIT_MS };
    }
    if (after.kind === "done") await this.#acknowledge(seq);
    return after;
  }

  /**
   * Acknowledges a job, and waits until the server has removed it. If this acknowledgement is lost, the server delivers
   * the job again, and the worker then finds the stored outcome.
   */
  async #acknowledge(seq: number): Promise<void> {
    const reply = this.#unacknowledged.get(seq);
    this.#unacknowledged.delete(seq);
    if (reply === undefined) return;
    const { connection } = this.#bus;
    await connection.request(reply, ACKNOWLEDGED, { timeout: ACK_TIMEOUT_MS }).catch(() => undefined);
  }
}

function asFault(aggregate: string, thrown: unknown): Fault {
  const message = `cannot pull jobs of ${aggregate}: ${messageOf(thrown)}`;
  return new Fault("UNAVAILABLE", message, { retryable: true, cause: thrown });
}
