/**
 * A service's access to snapshots of folds. Every service starts from the newest usable snapshot, and one of the
 * services writes the next snapshot.
 *
 * Snapshots are optional: with a missing or damaged bucket, or with snapshots disabled, a service starts from the log.
 */
import {
  type EventFeed,
  messageOf,
  type ServicePorts,
  type SnapshotSource,
  SnapshotWriter,
} from "@bioxen/kernel";
import { type Bus, openFoldSnapshots, type StorageSettings } from "@bioxen/nats";

export interface Snapshots {
  /** The snapshots from which a service can start; undefined when it must read the whole log. */
  readonly source: SnapshotSource | undefined;
  /** Begins to write snapshots. From now on this process writes them as `feed` applies events. */
  beginWriting(feed: EventFeed): Promise<void>;
  end(): Promise<void>;
}

/** Opens the snapshots of a service. An `everyEvents` of 0 disables reading and writing them. */
export async function openSnapshots(
  bus: Bus,
  ports: ServicePorts,
  { everyEvents, storage }: { readonly everyEvents: number; readonly storage: StorageSettings },
): Promise<Snapshots> {
  const { logger } = ports;
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
    async end() {
      await writer?.end();
    },
  };
}
