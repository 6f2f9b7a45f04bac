/**
 * The id of a BioXen: a random number that is born with the event log.
 *
 * The id is in the metadata of the event stream, so that it exists exactly as long as the log, is the same for every
 * service, and is copied with a backup of the stream. What BioXen makes outside of its server, such as machines of a
 * pool, carries the id (docs/adr/0033-owners-of-machines.md).
 */
import { randomBytes } from "node:crypto";
import { digestOf, EVENT_STREAM } from "@bioxen/contracts";
import { Fault } from "@bioxen/kernel";
import type { StreamInfo } from "@nats-io/jetstream";
import type { Bus } from "./bus.ts";
import { streamManagerOf } from "./jet-stream.ts";
import { onceReady } from "./ready.ts";
import { presentStream } from "./stream-state.ts";

/** The key of the id in the metadata of the event stream. */
const KEY = "bioxen-cluster-id";
/** Number of random bytes in an id. Two of a million clusters have the same id once in 10^7 cases. */
const ID_BYTES = 8;
const ID_DIGITS = ID_BYTES * 2;

/** Returns the metadata for a new event stream: a new cluster id. */
export function newClusterMetadata(): Readonly<Record<string, string>> {
  return clusterMetadata(randomBytes(ID_BYTES).toString("hex"));
}

/** Returns the metadata for the event stream of the cluster with this id. */
export function clusterMetadata(clusterId: string): Readonly<Record<string, string>> {
  return { [KEY]: clusterId };
}

/**
 * Returns the id of the cluster to which this event stream belongs: 16 hexadecimal digits. A stream of an earlier release
 * has no id in its metadata; its id is then a digest of its creation time, which never changes either.
 */
export function clusterIdIn({ config, created }: Pick<StreamInfo, "config" | "created">): string {
  return config.metadata?.[KEY] ?? digestOf(new TextEncoder().encode(created)).slice(0, ID_DIGITS);
}

/** Reads the cluster's id from the server. Throws `Fault` UNAVAILABLE when the server has no event stream. */
export function clusterIdOn(bus: Bus): Promise<string> {
  return onceReady("cannot read the id of the cluster", async () => {
    const info = await presentStream(await streamManagerOf(bus), EVENT_STREAM);
    if (info === undefined)
      throw new Fault("UNAVAILABLE", `the server has no stream ${EVENT_STREAM}`, { retryable: true });
    return clusterIdIn(info);
  });
}
