/**
 * From a guest's spec to a running VM of the pool: a new one, the one that was kept, or the one a broken-off start left.
 */
import { DriverError, type Fences, type GuestSpec } from "@bioxen/vm-driver";
import { asDriverError } from "./failures.ts";
import { guestOf } from "./inventory.ts";
import type { PoolLink } from "./pool-link.ts";
import { setBack, wantedSnapshot } from "./snapshots.ts";
import type { Wishes } from "./wishes.ts";

/** Makes `spec` run, from whatever is there of it. Throws what the pool says; `STALE_FENCE`. */
export async function bringUp(
  pool: Pick<PoolLink, "inventory" | "vms">,
  fences: Fences,
  spec: GuestSpec,
  wishes: Wishes,
  signal: AbortSignal,
): Promise<void> {
  const { vmId, fence } = spec;
  let vm = pool.inventory.own(vmId);
  if (fences.start(vmId, fence, vm && guestOf(vm)?.fence) === "same") return;
  if (vm !== undefined && vm.tags.fence > fence) {
    throw new DriverError("STALE_FENCE", `"${vmId}" is here for a newer reservation, ${vm.tags.fence}`);
  }
  const isToGoBack = vm === undefined || vm.tags.restores < (spec.restores ?? 0);
  const snapshot = isToGoBack ? wantedSnapshot(pool.inventory, spec) : undefined;
  if (vm !== undefined && vm.tags.incarnation !== spec.incarnation) {
    await pool.vms.destroy(vm.ref);
    vm = undefined;
  }
  if (vm !== undefined && guestOf(vm) !== undefined) {
    await pool.vms.halt(vm);
    vm = pool.inventory.own(vmId);
  }
  if (vm !== undefined && isToGoBack) vm = await setBack(pool, vm, spec, snapshot, wishes);
  const isNew = vm === undefined;
  let made = vm;
  try {
    made ??= await pool.vms.make(spec, wishes, signal);
    if (made.tags.fence < fence) made = await pool.vms.retag(made, fence, wishes);
    await pool.vms.bringUp(made, wishes, signal);
  } catch (thrown) {
    const failure = asDriverError(thrown, `starting ${vmId}`);
    const isFinal = failure instanceof DriverError && !failure.retryable && !signal.aborted;
    // A start that cannot succeed leaves nothing; one that can goes on from what is here.
    if (isFinal && isNew && made !== undefined) await pool.vms.destroy(made.ref);
    throw thrown;
  }
}
