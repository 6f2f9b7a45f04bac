/**
 * Stores the states of guests, and gives back those that guests go on from.
 *
 * The blob first, then the report: what the log refers to is there. A report that is not taken is made again with the same
 * blob; what is left of one that never is, lifecycle finds and deletes.
 */
import { hash } from "node:crypto";
import {
  blobOf,
  type Checkpoint,
  type CheckpointLoss,
  type CheckpointRecord,
  vmLogSubject,
} from "@bioxen/contracts";
import type { ServicePorts } from "@bioxen/kernel";
import { DriverError, type VmDriver } from "@bioxen/vm-driver";

export type LoadedCheckpoint =
  | { readonly kind: "whole"; readonly bytes: Uint8Array }
  | { readonly kind: "lost"; readonly code: CheckpointLoss; readonly reason: string };

type StatePorts = Pick<ServicePorts, "blobs" | "ids" | "bus" | "clock">;

/**
 * Takes the state of a guest and stores it under the name of `holder`, the VM it is for. Throws `DriverError` as `snapshot` of the
 * driver does, and `Fault` UNAVAILABLE.
 */
export async function storeState(
  { blobs, ids }: StatePorts,
  driver: VmDriver,
  vmId: string,
  fence: number,
  holder = vmId,
): Promise<CheckpointRecord> {
  if (!driver.capabilities.snapshot && driver.snapshots === undefined) {
    throw new DriverError("UNSUPPORTED", `guests of ${vmId}'s type give no checkpoints`);
  }
  const checkpointId = ids.next();
  // What stays with its guest is named by the checkpoint; the blob says so.
  const { bytes, simMinutes } =
    driver.snapshots === undefined
      ? await driver.snapshot(vmId, fence)
      : await driver.snapshots.take(vmId, fence, checkpointId);
  const sha256 = hash("sha256", bytes, "hex");
  const record = { checkpointId, simMinutes, bytes: bytes.length, sha256 };
  await blobs.put(blobOf(holder, record), bytes);
  return record;
}

/** Throws `Fault` UNAVAILABLE. */
export async function loadState(
  { blobs }: StatePorts,
  vmId: string,
  checkpoint: Checkpoint,
): Promise<LoadedCheckpoint> {
  const reading = await blobs.get(blobOf(vmId, checkpoint), checkpoint.sha256);
  if (reading.kind === "whole") return reading;
  const at = `its checkpoint of minute ${checkpoint.simMinutes}`;
  return reading.kind === "absent"
    ? { kind: "lost", code: "MISSING", reason: `${at} is not stored any more: it begins anew` }
    : { kind: "lost", code: "DAMAGED", reason: `${at} is damaged: it begins anew` };
}

/** Tells whoever looks after the VM why there is no checkpoint of it: a value that its guest holds, mostly. */
export function sayUnkept(
  { bus, clock }: StatePorts,
  vmId: string,
  chassisId: string | null,
  why: string,
): void {
  const line = `no checkpoint: ${why}`;
  bus.publish(vmLogSubject(vmId), { vmId, chassisId, atMs: clock.nowMs(), line });
}
