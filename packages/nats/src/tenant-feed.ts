/**
 * The stored feed of tenants on JetStream. Each event is stored only directly after the one that the writer knows as the
 * last, so that of two writers one fails, and a repeated write stores nothing twice.
 */
import { FEED_STREAM, LOG_SEQUENCE_HEADER } from "@bioxen/contracts";
import { Fault, type FeedEntry, type FeedPosition, messageOf, type TenantFeed } from "@bioxen/kernel";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { headers } from "@nats-io/nats-core";
import type { Bus } from "./bus.ts";
import { jetStreamOf, streamManagerOf } from "./jet-stream.ts";
import { isWrongLastSequence } from "./server-codes.ts";

/** Longest wait for the acknowledgement of one event, ms. */
const ACK_TIMEOUT_MS = 2_000;
const encoder = new TextEncoder();

export async function openTenantFeed(bus: Bus): Promise<TenantFeed> {
  return new JetStreamTenantFeed(jetStreamOf(bus), await streamManagerOf(bus));
}

class JetStreamTenantFeed implements TenantFeed {
  readonly #js: JetStreamClient;
  readonly #jsm: JetStreamManager;

  constructor(js: JetStreamClient, jsm: JetStreamManager) {
    this.#js = js;
    this.#jsm = jsm;
  }

  async position(): Promise<FeedPosition> {
    return withFaults(async () => {
      const { state } = await this.#jsm.streams.info(FEED_STREAM);
      if (state.last_seq === 0) return { seq: 0, logSeq: 0 };
      const last = await this.#jsm.streams.getMessage(FEED_STREAM, { seq: state.last_seq });
      const logSeq = Number(last?.header.get(LOG_SEQUENCE_HEADER));
      if (!Number.isSafeInteger(logSeq) || logSeq < 1) {
        throw new Error(
          `message ${state.last_seq} of ${FEED_STREAM} does not name its event: delete the stream`,
        );
      }
      return { seq: state.last_seq, logSeq };
    });
  }

  async append(entries: readonly FeedEntry[], after: FeedPosition): Promise<FeedPosition> {
    return withFaults(async () => {
      // All are sent at once: each is refused unless the one before it is stored.
      const stored = entries.map(({ subject, payload, logSeq }, i) => {
        const h = headers();
        h.set(LOG_SEQUENCE_HEADER, String(logSeq));
        return this.#js.publish(subject, encoder.encode(JSON.stringify(payload)), {
          headers: h,
          timeout: ACK_TIMEOUT_MS,
          expect: { streamName: FEED_STREAM, lastSequence: after.seq + i },
        });
      });
      const failed = (await Promise.allSettled(stored)).find(({ status }) => status === "rejected");
      if (failed?.status === "rejected") throw failed.reason;
      return { seq: after.seq + entries.length, logSeq: entries.at(-1)?.logSeq ?? after.logSeq };
    });
  }
}

async function withFaults<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const code = isWrongLastSequence(cause) ? "CONFLICT" : "UNAVAILABLE";
    const message = `cannot write the feed of tenants: ${messageOf(cause)}`;
    throw new Fault(code, message, { retryable: true, cause });
  }
}
