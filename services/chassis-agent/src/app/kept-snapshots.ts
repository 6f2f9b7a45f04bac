/**
 * Removes snapshots that are stored with their guests (in a pool) once no VM refers to them.
 *
 * A snapshot is removed at once when its VM stops referring to it. A snapshot that was never referred to is removed
 * only when it is old, because the event with the reference follows the snapshot. A snapshot stays without a reference
 * when its command was rejected or its agent died.
 */
import { checkpointsOf, type VmState } from "@bioxen/contracts";
import { messageOf, type ReadModel, type ServicePorts, type StepResult } from "@bioxen/kernel";
import type { KeptSnapshot, VmDriver } from "@bioxen/vm-driver";
import { snapshotNameOf } from "./checkpoints.ts";

/**
 * Age at which a snapshot without a reference is removed, ms. It exceeds every deadline between a snapshot and its
 * event.
 */
export const ORPHAN_AGE_MS = 600_000;
/** Delay until a failed removal is retried, ms. It is long, because the snapshot blocks nothing. */
const DROP_AGAIN_MS = 30_000;

export class KeptSnapshots {
  readonly #ports: Pick<ServicePorts, "clock" | "logger">;
  readonly #vms: ReadModel<VmState>;
  /**
   * By VM id, the names of the snapshots that the VM referred to at its last step, and of those whose removal failed. A
   * VM without such names has no entry.
   */
  readonly #referred = new Map<string, ReadonlySet<string>>();

  constructor(ports: Pick<ServicePorts, "clock" | "logger">, vms: ReadModel<VmState>) {
    this.#ports = ports;
    this.#vms = vms;
  }

  /** Removes the VM's unreferenced snapshots. Returns the instant of the next attempt; undefined if none is needed. */
  async removeUnreferenced(drivers: readonly VmDriver[], vmId: string): Promise<StepResult> {
    const vm = this.#vms.get(vmId);
    const names = new Set<string>(vm.exists ? checkpointsOf(vm).map(snapshotNameOf) : []);
    const before = this.#referred.get(vmId);
    const dueAtMs: number[] = [];
    for (const { snapshots } of drivers) {
      for (const { name, takenAtMs } of snapshotsOf(snapshots, vmId)) {
        if (names.has(name)) continue;
        const nowMs = this.#ports.clock.nowMs();
        const isDue = before?.has(name) === true || nowMs >= takenAtMs + ORPHAN_AGE_MS;
        if (!isDue) dueAtMs.push(takenAtMs + ORPHAN_AGE_MS);
        else if (!(await this.#drop(snapshots, vmId, name))) {
          names.add(name);
          dueAtMs.push(nowMs + DROP_AGAIN_MS);
        }
      }
    }
    if (names.size > 0) this.#referred.set(vmId, names);
    else this.#referred.delete(vmId);
    return dueAtMs.length === 0 ? undefined : { dueAtMs: Math.min(...dueAtMs) };
  }

  async #drop(snapshots: VmDriver["snapshots"], vmId: string, name: string): Promise<boolean> {
    try {
      await snapshots?.drop(vmId, name);
      return true;
    } catch (thrown) {
      this.#ports.logger.warn(
        { vmId, err: thrown },
        `snapshot ${name} was not removed: ${messageOf(thrown)}`,
      );
      return false;
    }
  }
}

function snapshotsOf(keeper: VmDriver["snapshots"], vmId: string): readonly KeptSnapshot[] {
  return keeper?.of?.(vmId) ?? keeper?.list().filter((one) => one.vmId === vmId) ?? [];
}
