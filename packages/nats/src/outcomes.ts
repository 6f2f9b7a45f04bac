/**
 * The first outcome of each command that carries a message id, for as long as the contract promises it.
 *
 * The log has the outcome of a command that appended an event. Other outcomes (a rejection, no change, the result of an
 * exec) are only here. An attempt first claims the id and at the end replaces the claim by its outcome. Both writes are
 * conditional on the revision: of several attempts at once one runs, and the others wait for its outcome. The claim of
 * a dead attempt is taken over. If that attempt is alive after all, its write fails, and it returns the stored outcome.
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type HandlerResult, refuse } from "@bioxen/contracts";
import { Fault, messageOf } from "@bioxen/kernel";
import type { KV, KvEntry } from "@nats-io/kv";
import { openBucket } from "./buckets.ts";
import type { Bus } from "./bus.ts";
import { onceReady } from "./ready.ts";
import { isLeaderless, isWrongLastSequence } from "./server-codes.ts";

/**
 * Lifetime of an outcome, ms. The contract promises 2 minutes; twice that time allows for skewed clocks and slow
 * callers.
 */
const OUTCOME_TTL_MS = 240_000;
/**
 * Age at which an open claim is taken over, ms: longer than any usual command. A shorter one only costs repeated work.
 */
const CLAIM_MS = 1_500;
/** Interval of reads while another attempt has the claim, ms. */
const LOOK_INTERVAL_MS = 25;
const BUCKET = "bioxen-first-outcomes";
/** Request timeout, ms. On expiry the caller gets UNAVAILABLE and retries. */
const CALL_TIMEOUT_MS = 2_000;
/** Wait between two tries while a cluster elects a leader and stores nothing, ms. */
const LEADER_WAIT_MS = 100;
/** Longest wait for the election of a leader, ms: an election takes 4 to 9 s, and callers wait 10 s by default. */
const LEADER_DEADLINE_MS = 8_000;

export interface Outcomes {
  /**
   * Returns the outcome of the first attempt under this id. `carryOut` runs only when this is the first attempt, or
   * when the earlier ones died. After `maxDeaths` dead attempts the outcome is INTERNAL, because a command that kills
   * its process would kill the next one too.
   */
  once(commandId: string, carryOut: () => Promise<HandlerResult>, maxDeaths?: number): Promise<HandlerResult>;
}

/** The value of a key: an outcome, or the claim of an attempt in progress. */
type OutcomeRecord =
  | { readonly outcome: HandlerResult }
  | { readonly claimed: true; readonly deaths?: number };

/** Opens the store of outcomes. Throws `Fault` UNAVAILABLE when its bucket can be neither opened nor created. */
export async function openOutcomes(bus: Bus, replicas = 1): Promise<Outcomes> {
  const options = {
    ttl: OUTCOME_TTL_MS,
    replicas,
    description: "First outcomes of commands that carry a message id",
  };
  const open = () => openBucket(bus, BUCKET, options, { timeout: CALL_TIMEOUT_MS });
  return new KvOutcomes(await onceReady("the store of outcomes is unreachable", open));
}

class KvOutcomes implements Outcomes {
  readonly #kv: KV;

  constructor(kv: KV) {
    this.#kv = kv;
  }

  async once(
    commandId: string,
    carryOut: () => Promise<HandlerResult>,
    maxDeaths = Number.POSITIVE_INFINITY,
  ): Promise<HandlerResult> {
    const key = keyOf(commandId);
    for (;;) {
      const claim = await this.#claim(key, maxDeaths);
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
      if ((await this.#write(key, { outcome }, claim)) !== undefined) return outcome;
    }
  }

  /** Returns the revision of a new claim, or the stored outcome of another attempt. */
  async #claim(key: string, maxDeaths: number): Promise<number | HandlerResult> {
    const waitingSinceMs = Date.now();
    let revision = 0;
    for (;;) {
      const entry = await this.#read(key);
      if (entry === undefined) {
        const claim = await this.#write(key, { claimed: true }, 0);
        if (claim !== undefined) return claim;
        continue;
      }
      const record = entry.json<OutcomeRecord>();
      if ("outcome" in record) return record.outcome;
      if (revision === entry.revision && Date.now() - waitingSinceMs > CLAIM_MS) {
        const deaths = (record.deaths ?? 0) + 1;
        const outcome = refuse(
          "INTERNAL",
          `${deaths} attempts began and none ended: the command is not retried`,
        );
        const next: OutcomeRecord = deaths < maxDeaths ? { claimed: true, deaths } : { outcome };
        const claim = await this.#write(key, next, revision);
        if (claim !== undefined) return "outcome" in next ? next.outcome : claim;
      }
      revision = entry.revision;
      await sleep(LOOK_INTERVAL_MS);
    }
  }

  async #read(key: string): Promise<KvEntry | undefined> {
    try {
      const entry = await this.#kv.get(key);
      return entry === null || entry.operation !== "PUT" ? undefined : entry;
    } catch (cause) {
      throw unreachable(cause);
    }
  }

  /**
   * Returns the new revision; undefined when the key has another revision than `revision` (0: the key must be absent).
   */
  async #write(key: string, record: OutcomeRecord, revision: number): Promise<number | undefined> {
    const text = JSON.stringify(record);
    try {
      return await withLeader(() =>
        revision === 0 ? this.#kv.create(key, text) : this.#kv.update(key, text, revision),
      );
    } catch (cause) {
      if (isWrongLastSequence(cause)) return undefined;
      throw unreachable(cause);
    }
  }

  /** Deletes the claim, so that the next attempt does not wait until it is old. A failure is harmless. */
  async #releaseClaim(key: string, claim: number): Promise<void> {
    await this.#kv.delete(key, { previousSeq: claim }).catch(() => undefined);
  }
}

/** Repeats `call` while the bucket has no leader, because nothing can have been stored then. */
async function withLeader<T>(call: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + LEADER_DEADLINE_MS;
  for (;;) {
    try {
      return await call();
    } catch (cause) {
      if (!isLeaderless(cause) || Date.now() + LEADER_WAIT_MS >= deadline) throw cause;
      await sleep(LEADER_WAIT_MS);
    }
  }
}

/** Returns the bucket key of a command. A message id may contain characters that a key may not. */
function keyOf(commandId: string): string {
  return createHash("sha256").update(commandId).digest("hex");
}

function unreachable(cause: unknown): Fault {
  return new Fault("UNAVAILABLE", `the store of outcomes is unreachable: ${messageOf(cause)}`, {
    retryable: true,
    cause,
  });
}
