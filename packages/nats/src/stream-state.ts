/**
 * The present state of a stream, and the settings in which it differs from its declaration. Also runs in browsers.
 */
import type { JetStreamManager, StreamInfo, StreamInfoRequestOptions } from "@nats-io/jetstream";
import { isStreamNotFound } from "./server-codes.ts";

/** Returns the state of a stream; undefined when the server has no stream of this name. */
export async function presentStream(
  jsm: JetStreamManager,
  name: string,
  details: Partial<StreamInfoRequestOptions> = {},
): Promise<StreamInfo | undefined> {
  try {
    return await jsm.streams.info(name, details);
  } catch (cause) {
    if (isStreamNotFound(cause)) return undefined;
    throw cause;
  }
}

/** A setting of a stream that has another value than its declaration. */
export interface Drift {
  readonly setting: string;
  readonly declared: unknown;
  readonly present: unknown;
}

/**
 * Returns the declared settings that are absent from the present configuration, or have another value there. More
 * replicas than declared do not count as drift.
 */
export function driftOf(wanted: Readonly<Record<string, unknown>>, present: object): Drift[] {
  const now = present as Readonly<Record<string, unknown>>;
  return Object.keys(wanted).flatMap((setting): Drift[] => {
    const drift = { setting, declared: wanted[setting], present: now[setting] };
    const isSame =
      setting === "num_replicas"
        ? Number(drift.present ?? 1) >= Number(drift.declared)
        : JSON.stringify(drift.present ?? null) === JSON.stringify(drift.declared);
    return isSame ? [] : [drift];
  });
}

export function driftInWords({ setting, declared, present }: Drift): string {
  return `${setting} is ${JSON.stringify(present ?? null)} instead of ${JSON.stringify(declared)}`;
}
