/**
 * A service's part in the snapshots of folds: it starts from the newest that fits, and lifecycle writes the next.
 *
 * Never in the way: without a bucket, with a damaged one or with none wanted, a service starts from the log.
 */
import {
  type EventFeed,
  messageOf,
  type ServicePorts,
  type SnapshotSource,
  SnapshotWriter,
} from "@bioxen/kernel";
import { type Bus, openFoldSnapshots } from "@bioxen/nats";

export interface Snapshots {
  /** Where the feed may start from; undefined: the first event. */
  readonly source: SnapshotSource | undefined;
  /** From now on this process writes them, as `feed` goes on. */
  beginWriting(feed: EventFeed): Promise<void>;
  end(): Promise<void>;
}

/** `everyEvents` 0: none are read or written. */
export async function openSnapshots(
  bus: Bus,
  ports: ServicePorts,
  { everyEvents, replicas }: { readonly everyEvents: number; readonly replicas: number },
): Promise<Snapshots> {
  const { logger } = ports;
  const store =
    everyEvents === 0
      ? undefined
      : await openFoldSnapshots(bus, replicas).catch((cause: unknown) => {
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
