/**
 * The state of everything that BioXen stores on a server: which streams and buckets are absent or differ from their
 * declarations, how many copies exist, how full they are, and which streams of other owners take BioXen's subjects.
 */

import { EVENT_STREAM } from "@bioxen/contracts";
import type { StreamInfo } from "@nats-io/jetstream";
import type { Bus } from "./bus.ts";
import { type ForeignStream, foreignStreams } from "./foreign-streams.ts";
import { streamManagerOf } from "./jet-stream.ts";
import { ALL_STREAMS, type Copies, copiesOf } from "./storage.ts";
import { type Drift, driftOf, presentStream } from "./stream-state.ts";

export interface StoredStream {
  /** Name of the stream; that of a bucket begins with `KV_`. */
  readonly name: string;
  readonly kind: "stream" | "bucket";
  /** Undefined when the server has no such stream. */
  readonly present: PresentStream | undefined;
}

export interface PresentStream {
  readonly drift: readonly Drift[];
  readonly copies: Copies;
  /** Number of stored messages. */
  readonly messages: number;
  readonly bytes: number;
  /** Largest size, bytes; undefined when the disk is the limit. */
  readonly maxBytes: number | undefined;
}

export interface StoreReport {
  readonly streams: readonly StoredStream[];
  readonly foreign: readonly ForeignStream[];
}

export async function storeReport(bus: Bus): Promise<StoreReport> {
  const jsm = await streamManagerOf(bus);
  const streams: StoredStream[] = [];
  for (const declaration of ALL_STREAMS) {
    const info = await presentStream(jsm, declaration.name);
    streams.push({
      name: declaration.name,
      kind: declaration.name.startsWith("KV_") ? "bucket" : "stream",
      present: info === undefined ? undefined : describe(declaration, info),
    });
  }
  return { streams, foreign: await foreignStreams(bus) };
}

function describe(declaration: Readonly<Record<string, unknown>>, info: StreamInfo): PresentStream {
  const { config, state } = info;
  const maxBytes = config.max_bytes > 0 ? config.max_bytes : undefined;
  // Each installation may choose a maximum size, so that another `max_bytes` than declared does not count as drift. A
  // full stream drops no message.
  const drift = driftOf(declaration, config).filter(({ setting }) => setting !== "max_bytes");
  const { messages, bytes } = state;
  return { drift, copies: copiesOf(info), messages, bytes, maxBytes };
}

/** Returns the number of copies of the event log; undefined when the server has no event log, or does not answer. */
export async function logCopies(bus: Bus): Promise<Copies | undefined> {
  try {
    const info = await presentStream(await streamManagerOf(bus), EVENT_STREAM);
    return info === undefined ? undefined : copiesOf(info);
  } catch {
    return undefined;
  }
}

/** Problems for which the monitor raises alerts: streams of other owners that answer requests, and missing copies. */
export interface StoreTroubles {
  readonly foreignStreams: number;
  /** Number of missing copies of the stream that lacks the most copies; 0 when every stream has all copies. */
  readonly missingCopies: number;
}

export function troublesIn({ streams, foreign }: StoreReport): StoreTroubles {
  const missing = streams.map(({ present }) =>
    present === undefined ? 0 : present.copies.wanted - present.copies.present,
  );
  return {
    foreignStreams: foreign.filter(({ interferes }) => interferes).length,
    missingCopies: Math.max(0, ...missing),
  };
}
