/**
 * A service's access to snapshots of folds. Every service starts from the newest usable snapshot, and one of the
 * services writes the next snapshot.
 *
 * Snapshots are optional: with a missing or damaged bucket, or with snapshots disabled, a service starts from the log.
 */
import type { Measurement } from "@bioxen/contracts";
import {
  type EventFeed,
  messageOf,
  type ServicePorts,
  type SnapshotHead,
  type SnapshotSource,
  SnapshotWriter,
} from "@bioxen/kernel";
import { type Bus, openFoldSnapshots, type StorageSettings } from "@bioxen/nats";

const MS_PER_S = 1_000;

export interface Snapshots {
  /** The snapshots from which a service can start; undefined when it must read the whole log. */
  readonly source: SnapshotSource | undefined;
  /** Begins to write snapshots. From now on this process writes them as `feed` applies events. */
  beginWriting(feed: EventFeed): Promise<void>;
  /** Returns sequence and age of the newest snapshot; no values in a process that writes none. */
  measure(): readonly Measurement[];
  end(): Promise<void>;
}

/** Opens the snapshots of a service. An `everyEvents` of 0 disables reading and writing them. */
export async function openSnapshots(
  bus: Bus,
  ports: ServicePorts,
  { everyEvents, storage }: { readonly everyEvents: number; readonly storage: StorageSettings },
): Promise<Snapshots> {
  const { logger, clock } = ports;
  const store =
    everyEvents === 0
      ? undefined
      : await openFoldSnapshots(bus, storage).catch((cause: unknown) => {
          logger.warn({ err: cause }, messageOf(cause));
          return undefined;
        });
  let writer: SnapshotWriter | undefined;
  return {
    source: store && { store, logger },
    async beginWriting(feed) {
      if (store === undefined) return;
      writer = new SnapshotWriter({ ...ports, feed, store, everyEvents });
      await writer.begin();
    },
    measure: () => snapshotMeasurements(writer?.newest, clock.nowMs()),
    async end() {
      await writer?.end();
    },
  };
}

/** Returns sequence and age of a snapshot; undefined: no values. */
export function snapshotMeasurements(
  newest: SnapshotHead | undefined,
  nowMs: number,
): readonly Measurement[] {
  const metrics = ["bioxen_snapshot_sequence", "bioxen_snapshot_age_seconds"] as const;
  if (newest === undefined) return metrics.map((metric) => ({ metric, values: [] }));
  const ageS = Math.max(0, nowMs - newest.takenAtMs) / MS_PER_S;
  return [
    { metric: metrics[0], values: [{ value: newest.seq }] },
    { metric: metrics[1], values: [{ value: ageS }] },
  ];
}
