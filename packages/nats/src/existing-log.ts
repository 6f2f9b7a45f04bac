/**
 * Opens the event log that a server already has. Creates and repairs no stream, so that clients need only the right to
 * read. Also runs in browsers.
 */
import { EVENT_STREAM } from "@bioxen/contracts";
import { type EventLog, Fault, messageOf } from "@bioxen/kernel";
import type { JetStreamManager, StreamConfig } from "@nats-io/jetstream";
import type { Bus } from "./bus.ts";
import { JetStreamEventLog, type LongReader } from "./event-log.ts";
import { jetStreamOf, streamManagerOf } from "./jet-stream.ts";
import { isStreamNotFound } from "./server-codes.ts";

/**
 * Longest wait for the creation of a consumer, ms: a cluster that lost its leader does not answer until the election.
 */
const CONSUMER_TIMEOUT_MS = 2_000;

/** Opens the existing event log. Throws `Fault` UNAVAILABLE when the server has no JetStream or no event stream. */
export async function openExistingLog(bus: Bus, longReader?: LongReader): Promise<EventLog> {
  try {
    const jsm = await streamManagerOf(bus);
    if ((await presentConfig(jsm, EVENT_STREAM)) === undefined)
      throw new Error(`the server has no stream ${EVENT_STREAM}`);
    return logOn(bus, jsm, longReader);
  } catch (cause) {
    throw new Fault("UNAVAILABLE", `cannot open the event log: ${messageOf(cause)}`, {
      retryable: true,
      cause,
    });
  }
}

export function logOn(bus: Bus, jsm: JetStreamManager, longReader?: LongReader): EventLog {
  const timeout = Math.min(CONSUMER_TIMEOUT_MS, bus.jetStreamOptions.timeout ?? CONSUMER_TIMEOUT_MS);
  const js = jetStreamOf(bus, { timeout });
  return new JetStreamEventLog(js, jsm, bus, longReader);
}

/** Returns the server's configuration of a stream; undefined when it has no stream of this name. */
export async function presentConfig(jsm: JetStreamManager, name: string): Promise<StreamConfig | undefined> {
  try {
    return (await jsm.streams.info(name)).config;
  } catch (cause) {
    if (isStreamNotFound(cause)) return undefined;
    throw cause;
  }
}
