/**
 * The first outcome of each command that carries a message id, for as long as the contract promises it.
 *
 * What a command appended is found again in the log by its id; what it did not append (a refusal, "it is so already", the
 * result of an exec) is only here. The store is shared by all instances and written once: of two instances that carry
 * out the same command at once, both answer what the first of them stored.
 */
import { createHash } from "node:crypto";
import type { HandlerResult } from "@bioxen/contracts";
import { Fault, messageOf } from "@bioxen/kernel";
import { JetStreamApiError, jetstream } from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import type { Bus } from "./bus.ts";

/** The contract promises 2 minutes; twice that against skewed clocks and slow callers. */
const OUTCOME_TTL_MS = 240_000;
const BUCKET = "bioxen-first-outcomes";
/** The server's code for "this key has a value". */
const WRONG_LAST_SEQUENCE = 10_071;

export interface Outcomes {
  /** What was answered first under this id; undefined when nothing was. */
  find(commandId: string): Promise<HandlerResult | undefined>;
  /** Keeps `outcome` when it is the first; returns the first. */
  keep(commandId: string, outcome: HandlerResult): Promise<HandlerResult>;
}

/** Throws `Fault` UNAVAILABLE when the bucket can be neither found nor made. */
export async function openOutcomes(bus: Bus, replicas = 1): Promise<Outcomes> {
  try {
    const kv = await new Kvm(jetstream(bus.connection)).create(BUCKET, {
      ttl: OUTCOME_TTL_MS,
      history: 1,
      replicas,
      description: "First outcomes of commands that carry a message id",
    });
    return new KvOutcomes(kv);
  } catch (cause) {
    throw away(cause);
  }
}

class KvOutcomes implements Outcomes {
  readonly #kv: KV;

  constructor(kv: KV) {
    this.#kv = kv;
  }

  async find(commandId: string): Promise<HandlerResult | undefined> {
    try {
      const entry = await this.#kv.get(keyOf(commandId));
      return entry === null || entry.operation !== "PUT" ? undefined : entry.json<HandlerResult>();
    } catch (cause) {
      throw away(cause);
    }
  }

  async keep(commandId: string, outcome: HandlerResult): Promise<HandlerResult> {
    try {
      await this.#kv.create(keyOf(commandId), JSON.stringify(outcome));
      return outcome;
    } catch (cause) {
      const taken = cause instanceof JetStreamApiError && cause.code === WRONG_LAST_SEQUENCE;
      if (!taken) throw away(cause);
      return (await this.find(commandId)) ?? outcome;
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
