/**
 * The states of the guests of one agent: taken, stored, and told from those of a guest that its VM was set back from.
 */
import {
  type AgentCheckpointRequest,
  type CheckpointRecord,
  type Handled,
  refuse,
  type Vm,
  type VmState,
} from "@bioxen/contracts";
import type { ReadModel, ServicePorts } from "@bioxen/kernel";
import { DriverError } from "@bioxen/vm-driver";
import { sayUnkept, storeState } from "./checkpoints.ts";
import { type Drivers, guestIn } from "./drivers.ts";
import { refusalOf } from "./exec.ts";

interface Begun {
  readonly fence: number;
  readonly restores: number;
  /** Of the state it began with, and of those taken of it since. */
  reachedMinutes: number;
}

/** With how often the VM had been set back when its guest began. */
export interface TakenCheckpoint {
  readonly checkpoint: CheckpointRecord;
  readonly restores: number;
}

export class GuestStates {
  readonly #ports: ServicePorts;
  readonly #drivers: Drivers;
  readonly #vms: ReadModel<VmState>;
  readonly #chassisOf: (vmId: string) => string | null;
  /** Under which reservation each guest here began, how often its VM had been set back by then, and how far it is known to be. */
  readonly #begun = new Map<string, Begun>();

  constructor(
    ports: ServicePorts,
    drivers: Drivers,
    vms: ReadModel<VmState>,
    chassisOf: (vmId: string) => string | null,
  ) {
    this.#ports = ports;
    this.#drivers = drivers;
    this.#vms = vms;
    this.#chassisOf = chassisOf;
  }

  began(vmId: string, fence: number, { restores, checkpoint }: Vm): void {
    this.#begun.set(vmId, { fence, restores, reachedMinutes: checkpoint?.simMinutes ?? 0 });
  }

  ended(vmId: string): void {
    this.#begun.delete(vmId);
  }

  /** A guest that this process did not start is of a driver whose guests outlive it: those are never set back. */
  restoresOf(vmId: string, fence: number): number {
    const begun = this.#begun.get(vmId);
    return begun?.fence === fence ? begun.restores : Number.MAX_SAFE_INTEGER;
  }

  /** undefined for a guest that this process did not start. */
  reachedMinutesOf(vmId: string, fence: number): number | undefined {
    const begun = this.#begun.get(vmId);
    return begun?.fence === fence ? begun.reachedMinutes : undefined;
  }

  /**
   * Stores the state of a guest that runs or is paused here: what to record of it, or where to hand it over. null when it
   * cannot give one: its driver does not, it holds what cannot be kept (its VM's log says so), or its simulated time is
   * not beyond `aboveMinutes`. Throws `DriverError` and `Fault` when it cannot now.
   */
  async takeCheckpoint(vmId: string, fence: number, aboveMinutes = -1): Promise<TakenCheckpoint | null> {
    const vm = this.#vms.get(vmId);
    const driver = vm.exists ? this.#drivers.of(vm.vmType) : undefined;
    const begun = this.#begun.get(vmId);
    if (driver?.capabilities.snapshot !== true || begun?.fence !== fence) return null;
    const { restores } = begun;
    if (Math.floor(driver.sample(vmId)?.simMinutes ?? -1) <= aboveMinutes) return null;
    try {
      const checkpoint = await storeState(this.#ports, driver, vmId, fence);
      begun.reachedMinutes = Math.max(begun.reachedMinutes, checkpoint.simMinutes);
      return { checkpoint, restores };
    } catch (thrown) {
      if (!(thrown instanceof DriverError) || thrown.retryable) throw thrown;
      sayUnkept(this.#ports, vmId, this.#chassisOf(vmId), thrown.message);
      return null;
    }
  }

  /** Whether guests of its type give their states. */
  isKept(vmId: string): boolean {
    const vm = this.#vms.get(vmId);
    return vm.exists && this.#drivers.of(vm.vmType)?.capabilities.snapshot === true;
  }

  /** Stores the state of a guest for lifecycle, which records it. */
  async checkpointFor({ vmId, fence, holder }: AgentCheckpointRequest): Promise<Handled<TakenCheckpoint>> {
    const vm = this.#vms.get(vmId);
    const driver = vm.exists ? this.#drivers.of(vm.vmType) : undefined;
    if (driver === undefined || (!driver.capabilities.snapshot && driver.snapshots === undefined)) {
      return refuse("UNSUPPORTED", `guests of ${vmId}'s type give no checkpoints`);
    }
    if (driver.snapshots !== undefined && holder !== undefined && holder !== vmId) {
      return refuse("UNSUPPORTED", `what is in ${vmId} stays where it is: no other VM can begin with it`);
    }
    // Guests that outlive their agent say themselves which course of their VM's life they are on.
    const begun = driver.snapshots === undefined ? this.#begun.get(vmId) : guestIn(driver, vmId);
    if (begun?.fence !== fence)
      return refuse("UNAVAILABLE", `${vmId} has no guest here`, { retryable: true });
    const { restores = 0 } = begun;
    try {
      const checkpoint = await storeState(this.#ports, driver, vmId, fence, holder);
      return { ok: true, result: { checkpoint, restores } };
    } catch (thrown) {
      return refusalOf(thrown);
    }
  }
}
