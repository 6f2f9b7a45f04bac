/**
 * The checkpoints of one agent's guests: takes and stores them, and notes from which state each guest started.
 *
 * Each checkpoint is reported with the VM's restore count at the start of its guest. The count distinguishes the
 * checkpoint from those of guests that ran before a restore.
 */
import {
  type AgentCheckpointRequest,
  type AgentHoldRequest,
  type CheckpointRecord,
  type Handled,
  refuse,
  type Vm,
} from "@bioxen/contracts";
import type { ServicePorts } from "@bioxen/kernel";
import { DriverError, type VmDriver } from "@bioxen/vm-driver";
import { publishNoCheckpoint, storeState } from "./checkpoints.ts";
import type { Courses } from "./courses.ts";
import { type Drivers, guestIn } from "./drivers.ts";
import { refusalOf } from "./exec.ts";
import type { GuestView } from "./guest-view.ts";
import { UserPrograms } from "./user-programs.ts";
import { VmWaits } from "./vm-waits.ts";

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
  /** Sequence of the newest change at a minute that the guest has got. */
  changedSeq: number;
}

/**
 * Time for which a guest stays at its minute for a change that lifecycle records, ms. If the event comes later, the guest
 * continues from its checkpoint.
 */
const HOLD_MS = 5_000;

/** Longest wait for a guest that the log has and that this agent is about to start, ms. */
const BEGIN_WITHIN_MS = 2_000;

/** Time for which a stored state waits until the log has the programs that it contains, ms. */
const PROGRAMS_WAIT_MS = 5_000;

/** The minute at which a guest is kept, and the minute at which it is. */
interface HeldAt {
  readonly simMinute: number;
  readonly restores: number;
  readonly presentMinute: number;
}

/** A stored checkpoint, with the VM's restore count when its guest started. */
export interface TakenCheckpoint {
  readonly checkpoint: CheckpointRecord;
  readonly restores: number;
}

export interface GuestStatesOptions {
  readonly drivers: Drivers;
  readonly view: GuestView;
  /** Stores the rows up to a checkpoint before the checkpoint is reported. */
  readonly courses: Pick<Courses, "flush">;
  readonly agentId: string;
}

export class GuestStates {
  readonly #ports: ServicePorts & { readonly agentId: string };
  readonly #drivers: Drivers;
  readonly #view: GuestView;
  readonly #courses: Pick<Courses, "flush">;
  readonly #starts = new Map<string, GuestStart>();
  /** Calls that wait for a guest. */
  readonly #calls: VmWaits;
  /** The programs of users that ran in the guests. */
  readonly programs: UserPrograms;

  constructor(ports: ServicePorts, { drivers, view, courses, agentId }: GuestStatesOptions) {
    this.#ports = { ...ports, agentId };
    this.programs = new UserPrograms(ports);
    this.#calls = new VmWaits(ports.timers);
    this.#drivers = drivers;
    this.#view = view;
    this.#courses = courses;
  }

  /** Notes that a guest has started, and from which state of its VM. */
  began(vmId: string, fence: number, { restores, checkpoint, changes }: Vm): void {
    const changedSeq = changes?.at(-1)?.seq ?? 0;
    this.#starts.set(vmId, { fence, restores, reachedMinutes: checkpoint?.simMinutes ?? 0, changedSeq });
    this.programs.began(vmId, fence);
    this.#calls.wake(vmId);
  }

  /** Returns how the guest started; waits a moment for a guest that this agent is about to start. */
  async #startOf(vmId: string, fence: number): Promise<GuestStart | undefined> {
    const present = () => {
      const start = this.#starts.get(vmId);
      return start?.fence === fence ? start : undefined;
    };
    if (this.#view.isOwn(vmId, fence)) {
      await this.#calls.until(vmId, () => present() !== undefined, BEGIN_WITHIN_MS);
    }
    return present();
  }

  /** Notes that the guest has got the change with this sequence. */
  changed(vmId: string, fence: number, seq: number): void {
    const start = this.#starts.get(vmId);
    if (start?.fence === fence) start.changedSeq = seq;
  }

  /** Returns the sequence of the newest change that the guest has got; undefined if another process started it. */
  changedSeqOf(vmId: string, fence: number): number | undefined {
    const start = this.#starts.get(vmId);
    return start?.fence === fence ? start.changedSeq : undefined;
  }

  /** Keeps the guest at a minute of its simulated time until lifecycle has recorded the change of this minute. */
  async hold({ vmId, fence, atMinute }: AgentHoldRequest): Promise<Handled<HeldAt>> {
    const driver = this.#driverOf(vmId);
    if (driver?.hold === undefined) {
      return refuse("UNSUPPORTED", `VMs of the type of ${vmId} have no changes at minutes of simulated time`);
    }
    const start = await this.#startOf(vmId, fence);
    if (start === undefined)
      return refuse("UNAVAILABLE", `${vmId} has no guest at this agent`, { retryable: true });
    const { restores } = start;
    try {
      const { simMinute } = await driver.hold(vmId, fence, { atMinute, forMs: HOLD_MS });
      const presentMinute = Math.floor(driver.sample(vmId)?.simMinutes ?? 0);
      return { ok: true, result: { simMinute, restores, presentMinute } };
    } catch (thrown) {
      return refusalOf(thrown);
    }
  }

  /**
   * Notes that a program of a user ran in the guest. Returns the VM's restore count when this guest started; undefined if
   * it is not the present guest, or if guests of its type have no minutes.
   */
  ran(vmId: string, fence: number, simMinute: number, nth: number): number | undefined {
    const start = this.#starts.get(vmId);
    if (start?.fence !== fence || this.#driverOf(vmId)?.change === undefined) return undefined;
    this.programs.ran(vmId, fence, simMinute, nth);
    return start.restores;
  }

  /** Forgets a guest that has ended. */
  ended(vmId: string): void {
    this.#starts.delete(vmId);
    this.programs.ended(vmId);
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
      const checkpoint = await this.#store(driver, vmId, fence);
      await this.#courses.flush(vmId);
      start.reachedMinutes = Math.max(start.reachedMinutes, checkpoint.simMinutes);
      return { checkpoint, restores };
    } catch (thrown) {
      if (!(thrown instanceof DriverError) || thrown.retryable) throw thrown;
      publishNoCheckpoint(this.#ports, vmId, this.#view.chassisOf(vmId), thrown.message);
      return null;
    }
  }

  /**
   * Stores the state of a guest. Rejects with a retryable `DriverError` if the log does not have the programs that the
   * state contains; the state is then not used.
   */
  async #store(driver: VmDriver, vmId: string, fence: number, holder?: string): Promise<CheckpointRecord> {
    const checkpoint = await storeState(this.#ports, driver, vmId, fence, holder);
    await this.programsRecorded(vmId);
    return checkpoint;
  }

  /** Resolves once the log has the programs that ran in the guest. Rejects with a retryable `DriverError` if it does not get them. */
  async programsRecorded(vmId: string): Promise<void> {
    if (await this.programs.recorded(vmId, PROGRAMS_WAIT_MS)) return;
    const message = `a program that ran in "${vmId}" is not in the log yet`;
    throw new DriverError("UNAVAILABLE", message, { retryable: true });
  }

  /** Returns the simulated minute of the VM's guest; undefined if there is none that can be measured. */
  minuteOf(vmId: string): number | undefined {
    return this.#driverOf(vmId)?.sample(vmId)?.simMinutes;
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
    const start = driver.snapshots === undefined ? await this.#startOf(vmId, fence) : guestIn(driver, vmId);
    if (start?.fence !== fence)
      return refuse("UNAVAILABLE", `${vmId} has no guest at this agent`, { retryable: true });
    const { restores = 0 } = start;
    try {
      const checkpoint = await this.#store(driver, vmId, fence, holder);
      await this.#courses.flush(vmId);
      return { ok: true, result: { checkpoint, restores } };
    } catch (thrown) {
      return refusalOf(thrown);
    }
  }
}
