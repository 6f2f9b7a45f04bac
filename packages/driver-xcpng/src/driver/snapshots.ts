/**
 * Snapshots of machines: they stay in the pool, under names of ours, and what stands for one elsewhere only names it.
 *
 * A machine goes back to a snapshot once for each time its VM was set back: its keys say how often, and they change in the very step
 * that goes back. So a start or a restart that broke off is gone on with, and what the machine did since is not given up twice.
 */
import { DriverError, type GuestSpec } from "@bioxen/vm-driver";
import type { Inventory, OwnVm } from "./inventory.ts";
import type { PoolLink } from "./pool-link.ts";
import type { Wishes } from "./wishes.ts";

/** What a checkpoint of a machine is: the name of its snapshot, as JSON. */
export function checkpointNaming(name: string): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ xcpngSnapshot: name }));
}

/** The reference of the snapshot that a spec's checkpoint names; undefined without one. Throws `BAD_REQUEST` when the pool has none such. */
export function wantedSnapshot(inventory: Inventory, { vmId, checkpoint }: GuestSpec): string | undefined {
  if (checkpoint === undefined) return undefined;
  const name = nameIn(checkpoint);
  const found = inventory.snapshots().find((one) => one.vmId === vmId && one.name === name);
  if (found !== undefined) return found.ref;
  throw new DriverError("BAD_REQUEST", `the pool has not the snapshot of "${vmId}" that it is to go back to`);
}

function nameIn(checkpoint: Uint8Array): unknown {
  try {
    return (JSON.parse(new TextDecoder().decode(checkpoint)) as { xcpngSnapshot?: unknown }).xcpngSnapshot;
  } catch {
    throw new DriverError("BAD_REQUEST", "it is no checkpoint of a machine");
  }
}

/** The machine as it was then, halted or suspended, on the place of `spec`; without a snapshot as it is, and marked. */
export async function setBack(
  { vms }: Pick<PoolLink, "vms">,
  vm: OwnVm,
  { fence, restores = 0 }: GuestSpec,
  snapshot: string | undefined,
  { graceMs }: Wishes,
): Promise<OwnVm | undefined> {
  const changed = { fence, restores: Math.max(restores, vm.tags.restores), graceMs };
  if (snapshot === undefined) return vms.mark(vm, changed);
  return vms.revert(vm, snapshot, { ...vm.tags, ...changed });
}

/** In the place of a machine that runs or is paused, and stays so. */
export async function restartFrom(
  pool: Pick<PoolLink, "inventory" | "vms">,
  vm: OwnVm,
  spec: GuestSpec,
  wishes: Wishes,
): Promise<OwnVm | undefined> {
  const snapshot = wantedSnapshot(pool.inventory, spec);
  const isToRun = vm.record.power_state === "Running";
  const back = await setBack(pool, vm, spec, snapshot, wishes);
  if (back === undefined || snapshot === undefined) return back;
  if (back.record.power_state === "Suspended" && !isToRun) return back;
  const running = await pool.vms.bringUp(back, wishes, new AbortController().signal);
  if (running !== undefined && !isToRun) await pool.vms.pause(running.ref);
  return running;
}
