/**
 * Restores machines from snapshots. A snapshot stays in the pool, under a name that BioXen gives it. A checkpoint of a
 * machine contains only that name.
 *
 * A machine is reverted once for each restore of its VM. Its `other_config` keys and its tags contain the number of
 * restores (`machine-snapshots.ts`). An interrupted start or restart therefore continues without another revert once the
 * machine may have run, because a revert would discard its later work.
 */
import { DriverError, type GuestSpec } from "@bioxen/vm-driver";
import { needsCell } from "./cell-settings.ts";
import type { Inventory, OwnVm } from "./inventory.ts";
import type { MachineSettings } from "./machine-settings.ts";
import type { PoolLink } from "./pool-link.ts";

/** Error text of a checkpoint that would leave the pool. */
export const STAYS_IN_POOL = "the state of a machine cannot leave its pool: take a snapshot there";

/** Returns the checkpoint of a machine: the name of its snapshot, as JSON. */
export function checkpointNaming(name: string): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ xcpngSnapshot: name }));
}

/**
 * Returns the reference of the snapshot that the spec's checkpoint names; undefined without a checkpoint. Throws
 * `BAD_REQUEST` when the pool has no such snapshot.
 */
export function wantedSnapshot(inventory: Inventory, { vmId, checkpoint }: GuestSpec): string | undefined {
  if (checkpoint === undefined) return undefined;
  const name = nameIn(checkpoint);
  const found = inventory.snapshots().find((one) => one.vmId === vmId && one.name === name);
  if (found !== undefined) return found.ref;
  throw new DriverError(
    "BAD_REQUEST",
    `snapshot to restore for "${vmId}" not found in the pool: choose another one`,
  );
}

function nameIn(checkpoint: Uint8Array): unknown {
  try {
    return (JSON.parse(new TextDecoder().decode(checkpoint)) as { xcpngSnapshot?: unknown }).xcpngSnapshot;
  } catch {
    throw new DriverError("BAD_REQUEST", "the checkpoint is malformed: it must name a snapshot of a machine");
  }
}

/**
 * Reverts the machine to `snapshot`, and gives it the fence and restore count of `spec`. The machine is then halted, or
 * suspended if the snapshot includes memory. Without a snapshot, only the machine's `other_config` keys change. `cellDue`
 * is that of its tags.
 */
export async function revertTo(
  { vms, snapshots, ownership }: Pick<PoolLink, "vms" | "snapshots" | "ownership">,
  vm: OwnVm,
  spec: GuestSpec,
  snapshot: string | undefined,
  settings: MachineSettings,
  cellDue = needsCell(spec),
): Promise<OwnVm | undefined> {
  const { fence, restores = 0 } = spec;
  const { graceMs } = settings;
  const isSame = fence === vm.tags.fence;
  const reservation = isSame ? vm.tags.reservation : await ownership.reservation(vm.tags.vmId, fence);
  const changed = { fence, reservation, restores: Math.max(restores, vm.tags.restores), graceMs, cellDue };
  if (snapshot === undefined) return vms.setTags(vm, changed);
  return snapshots.revert(vm, snapshot, { ...vm.tags, ...changed }, settings);
}

/** Restores a running or paused machine from the spec's snapshot. The machine is then running or paused as before. */
export async function restartFrom(
  pool: Pick<PoolLink, "inventory" | "vms" | "snapshots" | "ownership">,
  vm: OwnVm,
  spec: GuestSpec,
  settings: MachineSettings,
): Promise<OwnVm | undefined> {
  const snapshot = wantedSnapshot(pool.inventory, spec);
  const wasRunning = vm.record.power_state === "Running";
  // The cell of a paused machine lives again once the machine is resumed; nothing waits for it now.
  const reverted = await revertTo(pool, vm, spec, snapshot, settings, wasRunning && needsCell(spec));
  if (reverted === undefined || snapshot === undefined) return reverted;
  if (reverted.record.power_state === "Suspended" && !wasRunning) return reverted;
  const known = await pool.vms.introduce(reverted, spec);
  return pool.vms.bringUp(known, settings, new AbortController().signal, !wasRunning);
}
