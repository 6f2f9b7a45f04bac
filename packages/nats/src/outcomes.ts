/**
 * The first outcome of each command that carries a message id, for as long as the contract promises it.
 *
 * What a command appended is found again in the log by its id; what it did not append (a refusal, "it is so already", the
 * result of an exec) is only here. An attempt claims the id before it does anything and settles the claim with its outcome,
 * both conditional on the revision: of several attempts at once one works and the others wait for its outcome. A claim whose
 * owner died is taken over; should that owner live after all, it can no longer settle, and answers what was settled.
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

/** The contract promises 2 minutes; twice that against skewed clocks and slow callers. */
const OUTCOME_TTL_MS = 240_000;
/** After this long, ms, an unsettled claim is taken over: longer than any ordinary command. Too short costs work only. */
const CLAIM_MS = 1_500;
/** Between two looks at another's claim, ms. */
const LOOK_INTERVAL_MS = 25;
const BUCKET = "bioxen-first-outcomes";
/** Longest wait for the server, ms: what a server that died did not answer the caller is told of, who sends it again. */
const CALL_TIMEOUT_MS = 2_000;
/** While a cluster chooses another leader nothing is stored; asked again every so often, ms, … */
const LEADER_WAIT_MS = 100;
/** … for so long, ms: an election takes 4 to 9 s, and callers wait 10 s by default. */
const LEADER_DEADLINE_MS = 8_000;

export interface Outcomes {
  /**
   * The outcome of the first attempt under this id; `carryOut` runs when this is it, or the first one died. When
   * `maxDeaths` attempts have died the outcome is INTERNAL: what ends whoever works on it would end the next one too.
   */
  once(commandId: string, carryOut: () => Promise<HandlerResult>, maxDeaths?: number): Promise<HandlerResult>;
}

/** What a key holds: an outcome, or the claim of whoever works on it. */
type Kept = { readonly outcome: HandlerResult } | { readonly claimed: true; readonly deaths?: number };

/** Throws `Fault` UNAVAILABLE when the bucket can be neither found nor made. */
export async function openOutcomes(bus: Bus, replicas = 1): Promise<Outcomes> {
  const options = {
    ttl: OUTCOME_TTL_MS,
    replicas,
    description: "First outcomes of commands that carry a message id",
  };
  const open = () => openBucket(bus, BUCKET, options, { timeout: CALL_TIMEOUT_MS });
  return new KvOutcomes(await onceReady("first outcomes cannot be reached", open));
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
        await this.#giveBack(key, claim);
        throw thrown;
      });
      // "Not now" is no outcome, whatever its code: the caller is asked to send the same command again.
      if (!outcome.ok && outcome.rejection.retryable) {
        await this.#giveBack(key, claim);
        return outcome;
      }
      if ((await this.#write(key, { outcome }, claim)) !== undefined) return outcome;
    }
  }

  /** The revision of a claim of ours, or the outcome that somebody settled. */
  async #claim(key: string, maxDeaths: number): Promise<number | HandlerResult> {
    const lookingSince = Date.now();
    let revision = 0;
    for (;;) {
      const entry = await this.#read(key);
      if (entry === undefined) {
        const claim = await this.#write(key, { claimed: true }, 0);
        if (claim !== undefined) return claim;
        continue;
      }
      const record = entry.json<Kept>();
      if ("outcome" in record) return record.outcome;
      if (revision === entry.revision && Date.now() - lookingSince > CLAIM_MS) {
        const deaths = (record.deaths ?? 0) + 1;
        const outcome = refuse("INTERNAL", `${deaths} attempts began and none came to its end`);
        const kept: Kept = deaths < maxDeaths ? { claimed: true, deaths } : { outcome };
        const claim = await this.#write(key, kept, revision);
        if (claim !== undefined) return "outcome" in kept ? kept.outcome : claim;
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
      throw away(cause);
    }
  }

  /** The new revision; undefined when `revision` (0: there is none) is not the last. */
  async #write(key: string, record: Kept, revision: number): Promise<number | undefined> {
    const text = JSON.stringify(record);
    try {
      return await withLeader(() =>
        revision === 0 ? this.#kv.create(key, text) : this.#kv.update(key, text, revision),
      );
    } catch (cause) {
      if (isWrongLastSequence(cause)) return undefined;
      throw away(cause);
    }
  }

  /** The next attempt need not wait for the claim to grow old; when this fails it waits. */
  async #giveBack(key: string, claim: number): Promise<void> {
    await this.#kv.delete(key, { previousSeq: claim }).catch(() => undefined);
  }
}

/** `call` again while nobody could have stored anything: the bucket has no leader. */
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

/** A message id may hold anything; a key may not. */
function keyOf(commandId: string): string {
  return createHash("sha256").update(commandId).digest("hex");
}

function away(cause: unknown): Fault {
  return new Fault("UNAVAILABLE", `first outcomes cannot be reached: ${messageOf(cause)}`, {
    retryable: true,
    cause,
  });
}
