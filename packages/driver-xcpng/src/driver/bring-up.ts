/**
 * Starts a guest in a VM of the pool: in a new VM, in the halted VM that remains after a stop, in the unfinished VM that
 * remains after an interrupted start, or in an orphan that an operator has adopted. A VM that is up and whose cell is due
 * only gets its cell.
 */
import { DriverError, type Fences, type GuestSpec } from "@bioxen/vm-driver";
import { needsCell } from "./cell-settings.ts";
import { asDriverError } from "./failures.ts";
import { guestOf, type OwnVm } from "./inventory.ts";
import type { MachineSettings } from "./machine-settings.ts";
import type { PoolLink } from "./pool-link.ts";
import { revertTo, wantedSnapshot } from "./snapshots.ts";

/**
 * Brings the VM of `spec` from its present state to running. Calls `onProgress` with the progress of a long step,
 * permille, and `beginCell` once the machine runs. Rejects with the pool's error, with `STALE_FENCE`, or with the error
 * of the cell.
 */
export async function bringUp(
  pool: Pick<PoolLink, "inventory" | "vms" | "snapshots" | "removal" | "ownership" | "orphans">,
  fences: Fences,
  spec: GuestSpec,
  settings: MachineSettings,
  signal: AbortSignal,
  onProgress: (permille: number) => void,
  beginCell: (vm: OwnVm) => Promise<void>,
): Promise<void> {
  const { vmId, fence } = spec;
  let vm = pool.inventory.own(vmId);
  const guest = vm && guestOf(vm);
  if (fences.start(vmId, fence, guest?.fence) === "same" && guest?.unfinished !== true) return;
  if (vm !== undefined && vm.tags.fence > fence) {
    throw new DriverError("STALE_FENCE", `fence ${fence} of "${vmId}" is older than ${vm.tags.fence}`);
  }
  const isRestoreDue = vm === undefined || vm.tags.restores < (spec.restores ?? 0);
  const snapshot = isRestoreDue ? wantedSnapshot(pool.inventory, spec) : undefined;
  if (vm !== undefined && vm.tags.incarnation !== spec.incarnation) {
    await pool.removal.discard("machine", vm.ref);
    vm = undefined;
  }
  const present = vm && guestOf(vm);
  if (vm !== undefined && present !== undefined) {
    const isSame = present.fence === fence && present.unfinished === true && !isRestoreDue;
    if (isSame) return beginOrHalt(pool, await pool.vms.goOn(vm), beginCell);
    await pool.vms.halt(vm);
    vm = pool.inventory.own(vmId);
  }
  if (vm !== undefined && isRestoreDue) vm = await revertTo(pool, vm, spec, snapshot, settings);
  if (vm === undefined && settings.machine !== undefined) {
    vm = await adopt(pool, spec, settings, settings.machine);
    if (guestOf(vm) !== undefined) return beginCell(vm);
  }
  const isNew = vm === undefined;
  let made = vm;
  try {
    made ??= await pool.vms.make(spec, settings, signal, onProgress);
    const isTagged = made.tags.fence === fence && made.tags.cellDue === needsCell(spec);
    if (!isTagged) made = await pool.vms.retag(made, spec, settings);
    made = await pool.vms.introduce(made, spec);
    await beginOrHalt(pool, await pool.vms.bringUp(made, settings, signal), beginCell);
  } catch (thrown) {
    const failure = asDriverError(thrown, `starting ${vmId}`);
    const isFinal = failure instanceof DriverError && !failure.retryable && !signal.aborted;
    // A start that can never succeed removes its new VM; a retryable one keeps it for the next attempt.
    if (isFinal && isNew && made !== undefined) await pool.removal.discard("machine", made.ref);
    throw thrown;
  }
}

/** Begins the cell of a machine that runs. Without its cell the machine must not count as the VM's guest: it is halted. */
async function beginOrHalt(
  { inventory, vms }: Pick<PoolLink, "inventory" | "vms">,
  running: OwnVm | undefined,
  beginCell: (vm: OwnVm) => Promise<void>,
): Promise<void> {
  if (running === undefined) return;
  try {
    await beginCell(running);
  } catch (thrown) {
    const present = inventory.own(running.tags.vmId);
    if (present !== undefined && guestOf(present) !== undefined) {
      // The next look at the pool finds a machine that could not be halted, and the agent then ends it.
      await vms.halt(present, 0).catch(() => undefined);
    }
    throw thrown;
  }
}

/** Takes the orphan with this uuid over as the VM's machine. */
async function adopt(
  { orphans, ownership }: Pick<PoolLink, "orphans" | "ownership">,
  spec: GuestSpec,
  { graceMs }: MachineSettings,
  uuid: string,
): Promise<OwnVm> {
  const { vmId, incarnation, fence, restores = 0 } = spec;
  const reservation = await ownership.reservation(vmId, fence);
  const cellDue = needsCell(spec);
  return orphans.takeOver(uuid, { vmId, incarnation, fence, reservation, graceMs, restores, cellDue });
}
