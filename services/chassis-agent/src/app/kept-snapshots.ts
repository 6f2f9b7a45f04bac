/**
 * Removes snapshots that stayed with their guests and that no VM refers to any more.
 *
 * One that its VM ceased to refer to goes at once. One that nothing ever referred to (it was taken, and its command was refused or its
 * agent died) goes when it is old: the event that refers to it comes after it.
 */
import { checkpointsOf, type VmState } from "@bioxen/contracts";
import { messageOf, type ReadModel, type ServicePorts, type StepResult } from "@bioxen/kernel";
import type { VmDriver } from "@bioxen/vm-driver";

/** How old, ms, what nothing refers to has to be: above every deadline between a snapshot and its event. */
export const ORPHAN_AGE_MS = 600_000;
/** Until a snapshot that could not be removed is tried again, ms. It stands in nobody's way. */
const DROP_AGAIN_MS = 30_000;

export class KeptSnapshots {
  readonly #ports: Pick<ServicePorts, "clock" | "logger">;
  readonly #vms: ReadModel<VmState>;
  /** What each VM referred to when it was last looked at; those that refer to nothing are not in it. */
  readonly #referred = new Map<string, ReadonlySet<string>>();

  constructor(ports: Pick<ServicePorts, "clock" | "logger">, vms: ReadModel<VmState>) {
    this.#ports = ports;
    this.#vms = vms;
  }

  /** Says when to look again at what is left of this VM's. */
  async clear(drivers: readonly VmDriver[], vmId: string): Promise<StepResult> {
    const vm = this.#vms.get(vmId);
    const names = new Set<string>(vm.exists ? checkpointsOf(vm).map(({ checkpointId }) => checkpointId) : []);
    const before = this.#referred.get(vmId);
    const dueAtMs: number[] = [];
    for (const { snapshots } of drivers) {
      for (const { name, takenAtMs } of snapshots?.list().filter((one) => one.vmId === vmId) ?? []) {
        if (names.has(name)) continue;
        const nowMs = this.#ports.clock.nowMs();
        const isOwed = before?.has(name) === true || nowMs >= takenAtMs + ORPHAN_AGE_MS;
        if (!isOwed) dueAtMs.push(takenAtMs + ORPHAN_AGE_MS);
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
      this.#ports.logger.warn({ vmId, err: thrown }, `a snapshot was not removed: ${messageOf(thrown)}`);
      return false;
    }
  }
}
