/**
 * The checkpoints of one agent's guests: takes and stores them, and notes from which state each guest started.
 *
 * Each checkpoint is reported with the VM's restore count at the start of its guest. The count distinguishes the
 * checkpoint from those of guests that ran before a restore.
 */
import {
  type AgentCheckpointRequest,
  type CheckpointRecord,
  type Handled,
  refuse,
  type Vm,
} from "@bioxen/contracts";
import type { ServicePorts } from "@bioxen/kernel";
import { DriverError } from "@bioxen/vm-driver";
import { publishNoCheckpoint, storeState } from "./checkpoints.ts";
import { type Drivers, guestIn } from "./drivers.ts";
import { refusalOf } from "./exec.ts";
import type { GuestView } from "./guest-view.ts";

/** How a guest started. */
interface GuestStart {
  readonly fence: number;
  /** The VM's restore count at the start. */
  readonly restores: number;
  /**
   * The latest simulated minute that the guest is known to have reached. It comes from the state with which the guest
   * started, or from a later checkpoint.
   */
  reachedMinutes: number;
}

/** A stored checkpoint, with the VM's restore count when its guest started. */
export interface TakenCheckpoint {
  readonly checkpoint: CheckpointRecord;
  readonly restores: number;
}

export class GuestStates {
  readonly #ports: ServicePorts;
  readonly #drivers: Drivers;
  readonly #view: GuestView;
  readonly #starts = new Map<string, GuestStart>();

  constructor(ports: ServicePorts, drivers: Drivers, view: GuestView) {
    this.#ports = ports;
    this.#drivers = drivers;
    this.#view = view;
  }

  /** Notes that a guest has started, and from which state of its VM. */
  began(vmId: string, fence: number, { restores, checkpoint }: Vm): void {
    this.#starts.set(vmId, { fence, restores, reachedMinutes: checkpoint?.simMinutes ?? 0 });
  }

  /** Forgets a guest that has ended. */
  ended(vmId: string): void {
    this.#starts.delete(vmId);
  }

  /**
   * Returns the VM's restore count when this guest started. For a guest that this process did not start, returns the
   * maximum integer, so that the guest is never restarted: such a guest has outlived its agent.
   */
  restoresOf(vmId: string, fence: number): number {
    const start = this.#starts.get(vmId);
    return start?.fence === fence ? start.restores : Number.MAX_SAFE_INTEGER;
  }

  /**
   * Returns the latest simulated minute that the guest is known to have reached; undefined if another process started
   * it.
   */
  reachedMinutesOf(vmId: string, fence: number): number | undefined {
    const start = this.#starts.get(vmId);
    return start?.fence === fence ? start.reachedMinutes : undefined;
  }

  /**
   * Stores the state of a running or paused guest. Returns null when there is no checkpoint to take: the driver does
   * not support it, the guest's state cannot be stored (the VM's log says why), or its simulated time is not beyond
   * `aboveMinutes`. Rejects with a retryable `DriverError` or `Fault` when no checkpoint can be taken now.
   */
  async takeCheckpoint(vmId: string, fence: number, aboveMinutes = -1): Promise<TakenCheckpoint | null> {
    const driver = this.#driverOf(vmId);
    const start = this.#starts.get(vmId);
    if (driver?.capabilities.snapshot !== true || start?.fence !== fence) return null;
    const { restores } = start;
    if (Math.floor(driver.sample(vmId)?.simMinutes ?? -1) <= aboveMinutes) return null;
    try {
      const checkpoint = await storeState(this.#ports, driver, vmId, fence);
      start.reachedMinutes = Math.max(start.reachedMinutes, checkpoint.simMinutes);
      return { checkpoint, restores };
    } catch (thrown) {
      if (!(thrown instanceof DriverError) || thrown.retryable) throw thrown;
      publishNoCheckpoint(this.#ports, vmId, this.#view.chassisOf(vmId), thrown.message);
      return null;
    }
  }

  /** Returns true if guests of the VM's type can give checkpoints. */
  hasCheckpoints(vmId: string): boolean {
    return this.#driverOf(vmId)?.capabilities.snapshot === true;
  }

  #driverOf(vmId: string) {
    const vm = this.#view.vm(vmId);
    return vm && this.#drivers.of(vm.vmType);
  }

  /** Takes a checkpoint at the request of lifecycle and answers with it. Lifecycle then records it in the log. */
  async checkpointFor({ vmId, fence, holder }: AgentCheckpointRequest): Promise<Handled<TakenCheckpoint>> {
    const driver = this.#driverOf(vmId);
    if (driver === undefined || (!driver.capabilities.snapshot && driver.snapshots === undefined)) {
      return refuse("UNSUPPORTED", `VMs of the type of ${vmId} have no checkpoints`);
    }
    if (driver.snapshots !== undefined && holder !== undefined && holder !== vmId) {
      return refuse("UNSUPPORTED", `${vmId} cannot be forked: its state cannot leave this host`);
    }
    // With `driver.snapshots`, guests outlive the agent and store their own restore count. Otherwise this agent stores
    // the restore count.
    const start = driver.snapshots === undefined ? this.#starts.get(vmId) : guestIn(driver, vmId);
    if (start?.fence !== fence)
      return refuse("UNAVAILABLE", `${vmId} has no guest at this agent`, { retryable: true });
    const { restores = 0 } = start;
    try {
      const checkpoint = await storeState(this.#ports, driver, vmId, fence, holder);
      return { ok: true, result: { checkpoint, restores } };
    } catch (thrown) {
      return refusalOf(thrown);
    }
  }
}
