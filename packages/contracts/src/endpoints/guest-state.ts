/**
 * Commands on the states of guests: keep one under a name, go back to it, let another VM go on from it.
 */
import { z } from "zod";
import { id } from "../schemas.ts";
import { snapshotView, vmView } from "../views.ts";
import { endpoint } from "./endpoint.ts";

const vmChanged = z.object({ changed: z.boolean(), vm: vmView });

export const GUEST_STATE_ENDPOINTS = {
  vmSnapshot: endpoint(
    "bioxen.cmd.vm.snapshot",
    "lifecycle",
    "Keep the state of a VM that is running or paused. Without `snapshotId` one is made. An id that is taken: nothing is done, and `snapshot` is the one there is.",
    z.strictObject({ vmId: id, snapshotId: id.optional() }),
    z.object({ ...vmChanged.shape, snapshot: snapshotView }),
  ),
  vmRestore: endpoint(
    "bioxen.cmd.vm.restore",
    "lifecycle",
    "Set the VM back to a snapshot: a guest that runs or is paused is replaced in its place, else the next start goes on from it.",
    z.strictObject({ vmId: id, snapshotId: id }),
    vmChanged,
  ),
  vmFork: endpoint(
    "bioxen.cmd.vm.fork",
    "lifecycle",
    "Create a VM like this one, with a seed of its own, that begins from a snapshot of it or, without one, from the state of its guest now.",
    z.strictObject({ vmId: id, fromSnapshotId: id.optional(), newVmId: id }),
    vmChanged,
  ),
  vmDeleteSnapshot: endpoint(
    "bioxen.cmd.vm.delete-snapshot",
    "lifecycle",
    "Forget a snapshot. Forks of it have their own copies.",
    z.strictObject({ vmId: id, snapshotId: id }),
    vmChanged,
  ),
} as const;
