/**
 * A plain NATS client that asks again as the contract says: the same message id after a retryable refusal, a time-out
 * or a missing service, until a deadline.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { headers, type NatsConnection } from "@nats-io/transport-node";
import type { Json } from "./json.ts";

/** Longest wait for one reply, ms. */
const REPLY_TIMEOUT_MS = 2_000;
/** Time until a request counts as failed, ms: three times that of BioXen's own clients, for a busy machine. */
const DEADLINE_MS = 30_000;
/** Wait before the next attempt, ms. */
const AGAIN_AFTER_MS = 50;

export class InsistingClient {
  readonly #nats: NatsConnection;
  /** Number of attempts that had to be repeated. */
  repeated = 0;

  constructor(nats: NatsConnection) {
    this.#nats = nats;
  }

  /** Returns the final reply, which is a refusal only when that is not retryable or the deadline has passed. */
  async ask(subject: string, payload: object, messageId?: string): Promise<Json> {
    const deadline = performance.now() + DEADLINE_MS;
    for (;;) {
      const reply = await this.#once(subject, payload, messageId);
      if (reply.ok === true || reply.error?.retryable === false || performance.now() > deadline) return reply;
      this.repeated += 1;
      await sleep(AGAIN_AFTER_MS);
    }
  }

  /** Publishes a durable command; returns the acknowledgement of the stream. */
  async job(subject: string, payload: object, id: string): Promise<Json> {
    return this.#once(`job.${subject}`, payload, id);
  }

  async #once(subject: string, payload: object, messageId?: string): Promise<Json> {
    const h = headers();
    if (messageId !== undefined) h.set("Nats-Msg-Id", messageId);
    const options = { timeout: REPLY_TIMEOUT_MS, headers: h };
    try {
      return (await this.#nats.request(`bioxen.${subject}`, JSON.stringify(payload), options)).json<Json>();
    } catch (thrown) {
      return { ok: false, error: { code: "NO_REPLY", message: String(thrown), retryable: true } };
    }
  }
}
