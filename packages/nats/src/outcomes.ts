/**
 * Stores the first outcome of each command that carries a message id, so that a repeat of the command gets the same
 * outcome.
 *
 * The log has the outcome of a command that appended an event. Other outcomes (a rejection, no change, the result of an
 * exec) are only in this store. An attempt first claims the id, and at its end replaces the claim by its outcome. Both
 * writes are conditional on the revision: of several concurrent attempts one runs, and the others wait for its outcome.
 * When an attempt dies, another attempt takes over its claim. If the first attempt is alive after all, its write fails,
 * and the first attempt returns the stored outcome.
 *
 * The claim and the outcome are two synced writes. A command whose only effect is an event needs neither of them, because
 * the log lets only one of its attempts append: see {@link Outcomes.onceInLog}.
 *
 * A record has the digest of its command's payload. The digest distinguishes a repeat from another command under the
 * same id.
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { COMMAND_PREFIX, type HandlerResult, refuse, withoutPrincipal } from "@bioxen/contracts";
import { Fault, messageOf, payloadConflict } from "@bioxen/kernel";
import type { KvEntry } from "@nats-io/kv";
import { Bucket } from "./buckets.ts";
import type { Bus } from "./bus.ts";
import { onceReady } from "./ready.ts";
import { isWrongLastSequence } from "./server-codes.ts";
import { BUCKETS, type StorageSettings } from "./storage.ts";
import { withLeader } from "./with-leader.ts";

/**
 * Age at which another attempt takes over a claim that has no outcome, ms. It is longer than any usual command. A claim
 * that is taken over too early costs only repeated work.
 */
const CLAIM_MS = 1_500;
/** Interval at which an attempt reads the outcome while another attempt has the claim, ms. */
const LOOK_INTERVAL_MS = 25;
/** Longest wait for one answer of the server, ms. After it the caller gets UNAVAILABLE and retries. */
const CALL_TIMEOUT_MS = 2_000;

export interface Outcomes {
  /**
   * Returns the outcome of the first attempt at the command. Calls `carryOut` only when no attempt was made before, or
   * when all earlier attempts died. After `maxDeaths` dead attempts the outcome is INTERNAL, because a command that
   * kills its process would kill the next process too.
   */
  once(
    commandId: string,
    carryOut: () => Promise<HandlerResult>,
    options?: OnceOptions,
  ): Promise<HandlerResult>;
  /**
   * Like {@link Outcomes.once}, for a command whose only effect is an event that carries the command's id: of several
   * attempts the log lets one append. Claims nothing, and stores the outcome only when `carryOut` appended no event: when
   * its result has no `changed: true`.
   */
  onceInLog(
    commandId: string,
    carryOut: () => Promise<HandlerResult>,
    options?: Pick<OnceOptions, "digest">,
  ): Promise<HandlerResult>;
  /**
   * Stores `outcome` as the outcome of a command that no attempt has begun, so that every later attempt gets it.
   * Changes nothing otherwise. Does not wait for an attempt under way.
   */
  prevent(commandId: string, outcome: HandlerResult): Promise<Prevented>;
}

/** What {@link Outcomes.prevent} found: the attempt can no longer begin, it has ended, or it is under way. */
export type Prevented =
  | { readonly kind: "prevented" }
  | { readonly kind: "ended"; readonly outcome: HandlerResult }
  | { readonly kind: "under-way" };

export interface OnceOptions {
  readonly maxDeaths?: number;
  /**
   * Digest of the command's payload. When the first attempt had another digest, the outcome is CONFLICT. Outcomes that
   * an earlier version stored have no digest, and fit every payload.
   */
  readonly digest?: string;
}

/** The value of a key in the bucket: an outcome, or the claim of an attempt in progress. */
type OutcomeRecord = { readonly digest?: string; readonly deaths?: number } & (
  | { readonly outcome: HandlerResult }
  | { readonly claimed: true }
);

/** Opens the store of outcomes. Throws `Fault` UNAVAILABLE when its bucket can be neither opened nor created. */
export async function openOutcomes(bus: Bus, storage: StorageSettings = {}): Promise<Outcomes> {
  const bucket = new Bucket(bus, BUCKETS.outcomes, storage, { timeout: CALL_TIMEOUT_MS });
  await onceReady("the store of outcomes is unreachable", () => bucket.open());
  const { replicas } = await onceReady("the store of outcomes is unreachable", () =>
    bucket.use((kv) => kv.status()),
  );
  return new KvOutcomes(bucket, replicas === 1);
}

class KvOutcomes implements Outcomes {
  readonly #bucket: Bucket;
  /** A read returns the last write. With several copies, a read can come from a copy that does not have it yet. */
  readonly #readsLast: boolean;
  /** Until this time the bucket can have outcomes of the release before an upgrade, ms of the monotonic clock. */
  readonly #upgradeUntilMs = performance.now() + BUCKETS.outcomes.ttlMs;

  constructor(bucket: Bucket, readsLast: boolean) {
    this.#bucket = bucket;
    this.#readsLast = readsLast;
  }

  async once(
    commandId: string,
    carryOut: () => Promise<HandlerResult>,
    options: OnceOptions = {},
  ): Promise<HandlerResult> {
    const key = keyOf(commandId);
    const signed = options.digest === undefined ? {} : { digest: options.digest };
    for (;;) {
      const claim = await this.#claim(key, options);
      if (typeof claim !== "number") return claim;
      const outcome = await carryOut().catch(async (thrown: unknown) => {
        await this.#releaseClaim(key, claim);
        throw thrown;
      });
      // A retryable rejection is no outcome, whatever its code: the caller should send the same command again.
      if (!outcome.ok && outcome.rejection.retryable) {
        await this.#releaseClaim(key, claim);
        return outcome;
      }
      const record = { ...signed, outcome };
      if ((await this.#write(key, record, claim)) !== undefined) return outcome;
      // When another attempt has taken over, a record exists. When no record exists, the bucket was deleted together
      // with the claim of this attempt, and this attempt stores its outcome again.
      const isLost = (await this.#read(key)) === undefined;
      if (isLost && (await this.#write(key, record, 0)) !== undefined) return outcome;
    }
  }

  async onceInLog(
    commandId: string,
    carryOut: () => Promise<HandlerResult>,
    options: Pick<OnceOptions, "digest"> = {},
  ): Promise<HandlerResult> {
    // A read that may miss the last outcome needs the claim, which is compared by the leader of the bucket.
    if (!this.#readsLast) return this.once(commandId, carryOut, options);
    const { digest } = options;
    const key = keyOf(commandId);
    const [entry, earlier] = await Promise.all([this.#read(key), this.#ofEarlierRelease(key, digest)]);
    const stored = entry === undefined ? earlier : settledIn(entry.json<OutcomeRecord>(), digest);
    if (stored !== undefined) return stored;
    // Another attempt has claimed the command: one as a job, or one by an instance of an earlier release.
    if (entry !== undefined) return this.once(commandId, carryOut, options);
    const outcome = await carryOut();
    if (outcome.ok ? outcome.result["changed"] === true : outcome.rejection.retryable) return outcome;
    const record = { ...(digest === undefined ? {} : { digest }), outcome };
    if ((await this.#write(key, record, 0)) !== undefined) return outcome;
    return this.once(commandId, carryOut, options);
  }

  async prevent(commandId: string, outcome: HandlerResult): Promise<Prevented> {
    const key = keyOf(commandId);
    for (;;) {
      // The record has no digest, so that it fits every payload.
      if ((await this.#write(key, { outcome }, 0)) !== undefined) return { kind: "prevented" };
      const entry = await this.#read(key);
      if (entry === undefined) continue;
      const record = entry.json<OutcomeRecord>();
      return "outcome" in record ? { kind: "ended", outcome: record.outcome } : { kind: "under-way" };
    }
  }

  /**
   * Claims the command for this attempt and returns the revision of the claim. While another attempt has the claim,
   * waits for the outcome of that attempt and returns the outcome. Takes over a claim whose attempt has died. Returns
   * CONFLICT when the first attempt had another payload.
   */
  async #claim(
    key: string,
    { digest, maxDeaths = Number.POSITIVE_INFINITY }: OnceOptions,
  ): Promise<number | HandlerResult> {
    const signed = digest === undefined ? {} : { digest };
    const waitingSinceMs = Date.now();
    let revision = 0;
    for (;;) {
      const entry = await this.#read(key);
      if (entry === undefined) {
        const earlier = await this.#ofEarlierRelease(key, digest);
        if (earlier !== undefined) return earlier;
        const claim = await this.#write(key, { ...signed, claimed: true }, 0);
        if (claim !== undefined) return claim;
        continue;
      }
      const record = entry.json<OutcomeRecord>();
      const settled = settledIn(record, digest);
      if (settled !== undefined) return settled;
      if (revision === entry.revision && Date.now() - waitingSinceMs > CLAIM_MS) {
        const deaths = (record.deaths ?? 0) + 1;
        const outcome = refuse(
          "INTERNAL",
          `${deaths} attempts began and none ended: the command is not retried`,
        );
        const next: OutcomeRecord =
          deaths < maxDeaths ? { ...signed, claimed: true, deaths } : { ...signed, outcome };
        const claim = await this.#write(key, next, revision);
        if (claim !== undefined) return "outcome" in next ? next.outcome : claim;
      }
      revision = entry.revision;
      await sleep(LOOK_INTERVAL_MS);
    }
  }

  /**
   * Returns the outcome that release 0.2.0 or an earlier one has stored, under the hash alone; undefined when there is
   * none. Only a process that has just started looks for one.
   */
  async #ofEarlierRelease(key: string, digest: string | undefined): Promise<HandlerResult | undefined> {
    if (performance.now() > this.#upgradeUntilMs) return undefined;
    const record = (await this.#read(key.slice(key.indexOf(".") + 1)))?.json<OutcomeRecord>();
    if (record === undefined || !("outcome" in record)) return undefined;
    return payloadConflict(record.digest, digest) ?? record.outcome;
  }

  async #read(key: string): Promise<KvEntry | undefined> {
    try {
      const entry = await this.#bucket.use((kv) => kv.get(key));
      return entry === null || entry.operation !== "PUT" ? undefined : entry;
    } catch (cause) {
      throw unreachable(cause);
    }
  }

  /**
   * Writes a record and returns its revision. Returns undefined, and writes nothing, when the present revision of the
   * key is not `revision` (0: the key must be absent).
   */
  async #write(key: string, record: OutcomeRecord, revision: number): Promise<number | undefined> {
    const text = JSON.stringify(record);
    try {
      return await withLeader(() =>
        this.#bucket.use((kv) => (revision === 0 ? kv.create(key, text) : kv.update(key, text, revision))),
      );
    } catch (cause) {
      if (isWrongLastSequence(cause)) return undefined;
      throw unreachable(cause);
    }
  }

  /**
   * Deletes the claim of an attempt that ended without an outcome to store, so that the next attempt need not wait to
   * take it over. A failed deletion is harmless.
   */
  async #releaseClaim(key: string, claim: number): Promise<void> {
    await this.#bucket.use((kv) => kv.delete(key, { previousSeq: claim })).catch(() => undefined);
  }
}

/**
 * Returns the answer to a repeat of the command with this record: its outcome, or a conflict for another payload.
 * Undefined when the record is the claim of an attempt at the same payload.
 */
function settledIn(record: OutcomeRecord, digest: string | undefined): HandlerResult | undefined {
  return payloadConflict(record.digest, digest) ?? ("outcome" in record ? record.outcome : undefined);
}

/**
 * Returns the bucket key of a command: the kind of its aggregate, by which a server limits each service to the outcomes
 * of its own commands, and a hash, because a message id may contain characters that a key may not.
 */
function keyOf(commandId: string): string {
  return `${kindOf(commandId)}.${createHash("sha256").update(commandId).digest("hex")}`;
}

/** Returns the kind of aggregate that a command id names. The id begins with the subject, or with a principal and `/`. */
function kindOf(commandId: string): string {
  const subject = withoutPrincipal(commandId);
  const kind = subject.startsWith(COMMAND_PREFIX) ? subject.slice(COMMAND_PREFIX.length).split(".")[0] : "";
  return kind !== undefined && /^[a-z-]+$/.test(kind) ? kind : "other";
}

function unreachable(cause: unknown): Fault {
  return new Fault("UNAVAILABLE", `the store of outcomes is unreachable: ${messageOf(cause)}`, {
    retryable: true,
    cause,
  });
}
