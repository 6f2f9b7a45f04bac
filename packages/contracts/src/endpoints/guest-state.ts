/**
 * The commands on guest states: take a snapshot, restore it, delete it, fork a VM from it.
 */
import * as z from "zod";
import { expectedVersion, id } from "../schemas.ts";
import { snapshotView, vmView } from "../views.ts";
import { endpoint } from "./endpoint.ts";

const vmChanged = z.object({ changed: z.boolean(), vm: vmView });

export const GUEST_STATE_ENDPOINTS = {
  vmSnapshot: endpoint(
    "bioxen.cmd.vm.snapshot",
    "lifecycle",
    "Store the state of a running or paused VM as a snapshot. Without `snapshotId` an id is generated. When the id exists already, nothing is stored and `snapshot` is the existing one.",
    z.strictObject({ vmId: id, snapshotId: id.optional(), expectedVersion }),
    z.object({ ...vmChanged.shape, snapshot: snapshotView }),
  ),
  vmRestore: endpoint(
    "bioxen.cmd.vm.restore",
    "lifecycle",
    "Restore the VM to a snapshot. A running or paused guest is replaced at its place; otherwise the next start continues from the snapshot.",
    z.strictObject({ vmId: id, snapshotId: id, expectedVersion }),
    vmChanged,
  ),
  vmFork: endpoint(
    "bioxen.cmd.vm.fork",
    "lifecycle",
    "Create a VM with the same settings and a new seed. It starts from the given snapshot or, without one, from the present state of the guest.",
    z.strictObject({ vmId: id, fromSnapshotId: id.optional(), newVmId: id }),
    vmChanged,
  ),
  vmDeleteSnapshot: endpoint(
    "bioxen.cmd.vm.delete-snapshot",
    "lifecycle",
    "Delete a snapshot. Forks made from it keep their own copies.",
    z.strictObject({ vmId: id, snapshotId: id, expectedVersion }),
    vmChanged,
  ),
} as const;
