/**
 * Takes snapshots of VMs, and reverts VMs to them.
 *
 * The behaviour is that of xapi-project/xen-api at commit e2ee48d; each function names the source that it follows.
 */
import {
  allOrNothing,
  copyDisks,
  copyInterfaces,
  disksOf,
  dropMemoryImage,
  inherited,
  memoryImage,
  NULL,
  removeVif,
  resetState,
} from "./copies.ts";
import type { PowerState } from "./lifecycle.ts";
import type { Pool } from "./pool.ts";
import { Refusal } from "./refusal.ts";
import type { FakeRecord } from "./schema.ts";

/**
 * Fields of a VM that a revert does not take from the snapshot's metadata (xapi_vm_snapshot.ml, `do_not_copy`; fields
 * that the fake does not have are left out). All other fields are taken, `other_config` and `name_label` included.
 */
const NOT_REVERTED = [
  "uuid",
  "suspend_VDI",
  "power_state",
  "current_operations",
  "allowed_operations",
  "metrics",
  "guest_metrics",
  "resident_on",
  "domid",
  "snapshots",
  "tags",
  "VBDs",
  "VIFs",
];

/**
 * Adds the snapshot of a VM and returns its reference. `withMemory` makes it a checkpoint; `stateBefore` is the power
 * state that the VM had before the operation, because a running VM is suspended while its checkpoint is taken.
 *
 * A checkpoint of a running or suspended VM is `Suspended` and has a copy of the memory. A checkpoint of a paused VM is
 * `Halted` and has no memory (xapi_vm_clone.ml, `clone`: `new_power_state` and `suspend_VDI`). The devices of a
 * suspended snapshot stay attached, because only the devices of halted copies are detached
 * (xapi_vm_lifecycle.ml, `force_state_reset_keep_current_operations`).
 */
export function snapshot(
  pool: Pool,
  source: string,
  name: string,
  withMemory: boolean,
  stateBefore: PowerState,
): string {
  const from = pool.db.get("VM", source);
  const hasMemory = withMemory && from["suspend_VDI"] !== NULL;
  const power_state = withMemory && from["power_state"] === "Suspended" ? "Suspended" : "Halted";
  const fields = {
    name_label: name,
    is_a_snapshot: true,
    is_a_template: true,
    is_default_template: false,
    snapshot_of: source,
    snapshot_time: pool.now(),
    snapshot_info: snapshotInfo(withMemory, stateBefore),
    snapshot_metadata: JSON.stringify(from),
    power_state,
    suspend_VDI: NULL,
  };
  const ref = allOrNothing(
    pool,
    () => pool.addVm({ ...inherited(from), ...fields }),
    (made) => {
      copyDisks(pool, from, made, { is_a_snapshot: true });
      copyInterfaces(pool, from, made, true);
      if (hasMemory) pool.db.update("VM", made, { suspend_VDI: memoryImage(pool) });
      resetState(pool, made, power_state);
    },
  );
  pool.link("VM", source, "snapshots", ref);
  return ref;
}

/** A checkpoint of a VM that does not run has no such information (xapi_vm_snapshot.ml, `checkpoint`). */
function snapshotInfo(withMemory: boolean, stateBefore: PowerState): FakeRecord {
  if (withMemory && stateBefore !== "Running") return {};
  return { "power-state-at-snapshot": stateBefore, "disk-snapshot-type": "crash_consistent" };
}

/**
 * Gives the VM the fields that it had when the snapshot was taken (xapi_vm_snapshot.ml, `revert_vm_fields`). They come
 * from the text `snapshot_metadata`, not from the present record of the snapshot. XAPI writes an S-expression into that
 * text, and the fake writes JSON: to a client the text is opaque.
 */
export function revertFields(pool: Pool, snapshotRef: string, target: string): void {
  const metadata = String(pool.db.get("VM", snapshotRef)["snapshot_metadata"]);
  const before = JSON.parse(metadata) as FakeRecord;
  const taken = Object.entries(before).filter(([name]) => !NOT_REVERTED.includes(name));
  // A reverted VM is not restarted by high availability until it is started again (`overrides`).
  pool.db.update("VM", target, { ...Object.fromEntries(taken), ha_always_run: false });
}

/**
 * Replaces the disks and interfaces of a halted VM by copies of the snapshot's, and gives the VM the snapshot's power
 * state (xapi_vm_snapshot.ml, `revert` and `revert_vbds`). A disk that the snapshot does not have, because it was added
 * later, is detached and stays in the pool.
 */
export function revertDevices(pool: Pool, snapshotRef: string, target: string): void {
  const from = pool.db.get("VM", snapshotRef);
  const originOf = (vdi: string): string => String(pool.db.get("VDI", vdi)["snapshot_of"]);
  const replaced = new Set(disksOf(pool, snapshotRef).map(originOf));
  const vbds = [...(pool.db.get("VM", target)["VBDs"] as string[])];
  const disks = disksOf(pool, target);
  for (const vbd of vbds) pool.removeVbd(vbd);
  for (const vdi of disks) if (replaced.has(vdi)) pool.removeVdi(vdi);
  dropMemoryImage(pool, target);
  for (const [source, copy] of copyDisks(pool, from, target)) {
    // Every snapshot of the replaced disk is from now on one of the new disk.
    const origin = originOf(source);
    for (const [ref, vdi] of pool.db.all("VDI"))
      if (vdi["snapshot_of"] === origin) pool.db.update("VDI", ref, { snapshot_of: copy });
  }
  for (const vif of [...(pool.db.get("VM", target)["VIFs"] as string[])]) removeVif(pool, vif);
  copyInterfaces(pool, from, target, true);
  const hasMemory = from["suspend_VDI"] !== NULL;
  pool.db.update("VM", target, { suspend_VDI: hasMemory ? memoryImage(pool) : NULL });
  resetState(pool, target, from["power_state"] as PowerState);
}

/** Returns the VM of a snapshot. Throws XAPI's error when the record is not a snapshot, or when its VM is gone. */
export function vmOfSnapshot(pool: Pool, snapshotRef: string): string {
  const record = pool.db.get("VM", snapshotRef);
  if (record["is_a_snapshot"] !== true) throw new Refusal("REVERT_ONLY_ALLOWED_ON_SNAPSHOT");
  const target = String(record["snapshot_of"]);
  // XAPI makes the VM again in this case (`create_vm_from_snapshot`), which the fake does not model.
  if (pool.db.find("VM", target) === undefined) throw new Refusal("VM_REVERT_FAILED", snapshotRef, target);
  return target;
}
