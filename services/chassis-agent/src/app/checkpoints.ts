/**
 * Stores the states of guests as blobs, and loads the states from which guests continue.
 *
 * A blob is stored before its report, so that the log refers only to existing blobs. A repeated report names the same
 * blob. Lifecycle deletes blobs whose report it never accepted.
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
import { DriverError, type GuestCheckpoint, type VmDriver } from "@bioxen/vm-driver";

/** The result of loading a checkpoint: `whole` with its bytes, or `lost` if the blob is missing or damaged. */
export type LoadedCheckpoint =
  | { readonly kind: "whole"; readonly bytes: Uint8Array }
  | { readonly kind: "lost"; readonly code: CheckpointLoss; readonly reason: string };

type StatePorts = Pick<ServicePorts, "blobs" | "ids" | "bus" | "clock">;

/** Returns the id of a checkpoint, which names the agent that stores it: no other agent may write under that name. */
function checkpointIdOf(agentId: string, name: string): string {
  return `${agentId}.${name}`;
}

/** Returns the name under which a driver keeps a snapshot, from the id of its checkpoint. */
export function snapshotNameOf({ checkpointId }: Pick<CheckpointRecord, "checkpointId">): string {
  return checkpointId.slice(checkpointId.lastIndexOf(".") + 1);
}

/**
 * Takes the state of a guest and stores it for the VM `holder`. Rejects with the errors of the driver's `snapshot`, and
 * with `Fault` UNAVAILABLE.
 */
export async function storeState(
  { blobs, ids, agentId }: StatePorts & { readonly agentId: string },
  driver: VmDriver,
  vmId: string,
  fence: number,
  holder = vmId,
): Promise<CheckpointRecord> {
  if (!driver.capabilities.snapshot && driver.snapshots === undefined) {
    throw new DriverError("UNSUPPORTED", `VMs of the type of ${vmId} have no checkpoints`);
  }
  const name = ids.next();
  // If the driver stores snapshots with the guest, the blob contains only the name of the snapshot.
  const { bytes, simMinutes } =
    driver.snapshots === undefined
      ? await driver.snapshot(vmId, fence)
      : await driver.snapshots.take(vmId, fence, name);
  return stored({ blobs, agentId }, name, holder, { bytes, simMinutes });
}

/** Stores a state for the VM `holder`. Rejects with `Fault` UNAVAILABLE. */
export function storeBytes(
  { ids, ...ports }: Pick<StatePorts, "blobs" | "ids"> & { readonly agentId: string },
  holder: string,
  checkpoint: GuestCheckpoint,
): Promise<CheckpointRecord> {
  return stored(ports, ids.next(), holder, checkpoint);
}

async function stored(
  { blobs, agentId }: Pick<StatePorts, "blobs"> & { readonly agentId: string },
  name: string,
  holder: string,
  { bytes, simMinutes }: GuestCheckpoint,
): Promise<CheckpointRecord> {
  const sha256 = hash("sha256", bytes, "hex");
  const record = { checkpointId: checkpointIdOf(agentId, name), simMinutes, bytes: bytes.length, sha256 };
  await blobs.put(blobOf(holder, record), bytes);
  return record;
}

/** Loads a checkpoint of the VM. Rejects with `Fault` UNAVAILABLE. */
export async function loadState(
  { blobs }: StatePorts,
  vmId: string,
  checkpoint: Checkpoint,
): Promise<LoadedCheckpoint> {
  const reading = await blobs.get(blobOf(vmId, checkpoint), checkpoint.sha256);
  if (reading.kind === "whole") return reading;
  const at = `the checkpoint of minute ${checkpoint.simMinutes}`;
  return reading.kind === "absent"
    ? { kind: "lost", code: "MISSING", reason: `${at} is no longer stored: the guest restarts without it` }
    : { kind: "lost", code: "DAMAGED", reason: `${at} is damaged: the guest restarts without it` };
}

/**
 * Publishes a line in the VM's output that says why the guest has no checkpoint. The usual reason is a value in the
 * guest's Lua state.
 */
export function publishNoCheckpoint(
  ports: StatePorts,
  vmId: string,
  chassisId: string | null,
  why: string,
): void {
  publishLine(ports, vmId, chassisId, `no checkpoint: ${why}`);
}

/** Publishes a line in the VM's output. */
export function publishLine(
  { bus, clock }: Pick<StatePorts, "bus" | "clock">,
  vmId: string,
  chassisId: string | null,
  line: string,
): void {
  bus.publish(vmLogSubject(vmId), { vmId, chassisId, atMs: clock.nowMs(), line });
}
