/**
 * Carries out one action on one guest, and queues the report about its outcome.
 *
 * A VM may be on a chassis whose agent has no driver for the VM's type. A start of this VM fails, and a stop succeeds.
 */
import { amountsAt, type CheckpointLoss, comingUntil, type StopDeadline, type Vm } from "@bioxen/contracts";
import { type Amounts, type ServicePorts, traceOf } from "@bioxen/kernel";
import { DriverError, type GuestSpec, type VmDriver } from "@bioxen/vm-driver";
import {
  type AgentAction,
  allocationAtStart,
  allocationFor,
  graceMs,
  isPaused,
  type PresentGuest,
} from "../domain/desired.ts";
import { loadState } from "./checkpoints.ts";
import type { Courses } from "./courses.ts";
import { guestIn } from "./drivers.ts";
import type { GuestStates } from "./guest-states.ts";
import type { GuestView } from "./guest-view.ts";
import { HandOvers } from "./hand-overs.ts";
import { withSources } from "./program-sources.ts";
import { type Remains, type Remover, removeRemains } from "./remains.ts";
import type { Reports } from "./reports.ts";
import type { SecondDaughters } from "./second-daughters.ts";
import { refusalReport } from "./start-reports.ts";

type GuestVerbs = Pick<VmDriver, "start" | "restart" | "stop" | "pause" | "resume" | "resize" | "change"> &
  Partial<Pick<VmDriver, "capabilities" | "daughter" | "daughterTaken">> &
  Remover;

const unsupported = () =>
  Promise.reject(new DriverError("UNSUPPORTED", "this agent has no driver for VMs of this type"));
const NO_DRIVER: GuestVerbs = {
  discard: () => Promise.resolve(),
  start: unsupported,
  restart: unsupported,
  stop: () => Promise.resolve(),
  pause: unsupported,
  resume: unsupported,
  resize: unsupported,
};

export interface GuestActionsOptions {
  readonly ports: ServicePorts;
  readonly view: GuestView;
  readonly states: GuestStates;
  readonly reports: Reports;
  readonly courses: Courses;
  readonly daughters: SecondDaughters;
  /** Called after each start and restart. */
  readonly onStarted: (vmId: string) => void;
}

export class GuestActions {
  readonly #options: GuestActionsOptions;
  readonly #handOvers: HandOvers;
  /** The allocation that each guest was given last, without changes at minutes. */
  readonly #allocations = new Map<string, Amounts>();
  /** Guests that have got amounts at minutes since then. */
  readonly #courses = new Set<string>();
  /** By VM: the fence of the guest that is being stopped. */
  readonly #stopping = new Map<string, number>();
  /** By VM id, the fence of the start that is under way. */
  readonly #starting = new Map<string, number>();

  constructor(options: GuestActionsOptions) {
    this.#options = options;
    this.#handOvers = new HandOvers(options.states);
  }

  /**
   * Returns the allocation that the guest has now; `simMinutes` returns its minute. A new allocation is a new object, so
   * callers can compare by identity.
   */
  allocationOf(vmId: string, simMinutes: () => number): Amounts | undefined {
    const vm = this.#options.view.vm(vmId);
    const given = this.#allocations.get(vmId);
    const isByMinutes = given !== undefined && vm?.allocationCourse !== undefined;
    return isByMinutes ? amountsAt(vm, simMinutes()) : given;
  }

  /** Returns the VM's guest as the driver lists it, with its allocation and its progress; undefined without a guest. */
  present(driver: VmDriver, vmId: string): PresentGuest | undefined {
    const status = guestIn(driver, vmId);
    if (status === undefined) return undefined;
    const { states } = this.#options;
    const restores = status.restores ?? states.restoresOf(vmId, status.fence);
    const reachedMinutes = states.reachedMinutesOf(vmId, status.fence);
    const changedSeq = states.changedSeqOf(vmId, status.fence);
    const [allocation, hasCourse] = [this.#allocations.get(vmId) ?? {}, this.#courses.has(vmId)];
    const isUnrecorded = (states.programs.dueAtMs(vmId) ?? Infinity) <= this.#options.ports.clock.nowMs();
    return { ...status, allocation, restores, reachedMinutes, changedSeq, hasCourse, isUnrecorded };
  }

  /** Call it after each event of a VM. */
  onVmChanged(vmId: string, vm: Vm): void {
    this.#options.states.programs.onVmChanged(vmId, vm);
  }

  /** Instant at which a program in the VM's guest counts as not recorded, epoch ms; undefined: all are recorded. */
  programDueAtMs(vmId: string): number | undefined {
    return this.#options.states.programs.dueAtMs(vmId);
  }

  /** Drops the hand-over report that is stored for a VM; call it when the VM is not moving. */
  forgetHandOver(vmId: string): void {
    this.#handOvers.forget(vmId);
  }

  /**
   * Carries out the action. `driverOfType` runs the VM's type; it is undefined when this agent has no such driver.
   * Rejects when the agent must repeat the action. A permanent failure of a start does not reject: it is reported to
   * the lifecycle service.
   */
  async run(
    driverOfType: GuestVerbs | undefined,
    vmId: string,
    action: Exclude<AgentAction, { kind: "none" }>,
  ): Promise<void> {
    const { reports } = this.#options;
    const driver = driverOfType ?? NO_DRIVER;
    switch (action.kind) {
      case "start":
      case "restart":
        return this.#start(driver, vmId, action);
      case "end":
        return this.#stop(driver, vmId, action.fence, null);
      case "stop":
        await this.#stop(driver, vmId, action.fence, action.deadline);
        await this.#options.courses.flush(vmId);
        return this.#reportStopped(driver, vmId, action);
      case "pause":
        return driver.pause(vmId, action.fence);
      case "resume":
        return driver.resume(vmId, action.fence, { beyondLastMinute: action.beyondLastMinute });
      case "resize":
        await driver.resize(vmId, action.fence, action.allocation, { endsChanges: true });
        this.#allocations.set(vmId, action.allocation);
        this.#courses.delete(vmId);
        return;
      case "change":
        return this.#change(driver, vmId, action);
      case "hand-over":
        return reports.enqueue(await this.#handOvers.handOver(driver, vmId, action.fence));
      case "report-handed-over":
        return reports.enqueue({ vmId, fence: action.fence, observed: "handed-over" });
      case "divide":
        return this.#options.daughters.record(driver, vmId, action.fence);
      case "report-until-reached":
        return this.#reportUntil(vmId, action);
      case "report-started":
        return reports.enqueue({ vmId, fence: action.fence, observed: "started" });
      case "report-failed": {
        const { fence, reason } = action;
        await this.#options.courses.flush(vmId);
        return reports.enqueue({ vmId, fence, observed: "failed", reason, code: "GUEST_ERROR" });
      }
    }
  }

  async #start(
    driver: GuestVerbs,
    vmId: string,
    action: AgentAction & { kind: "start" | "restart" },
  ): Promise<void> {
    const { view, ports, states, reports, courses, onStarted } = this.#options;
    const { kind, vm, fence, allocation } = action;
    const checkpoint = await this.#checkpointOf(vmId, vm, fence);
    if (checkpoint === "lost") return;
    const lastMinute = comingUntil(vm);
    if (lastMinute !== undefined && driver.capabilities?.lastMinute !== true) {
      const reason = "the driver of its type has no last minute (`until`)";
      return reports.enqueue({ vmId, fence, observed: "failed", reason, code: "UNSUPPORTED" });
    }
    const record = courses.recordOf(vmId, vm);
    try {
      const trace = traceOf(view.vms.last(vmId) ?? {});
      const span = { kind: "internal", ...trace, attributes: { "bioxen.vm.id": vmId } } as const;
      const changes = await withSources(ports.log, vmId, vm.changes ?? []);
      const spec = { ...specOf(vmId, vm, fence, allocation), checkpoint, changes, lastMinute, record };
      this.#starting.set(vmId, fence);
      await ports.tracer.span(`${kind} guest`, span, () => driver[kind](spec));
    } catch (thrown) {
      if (!(thrown instanceof DriverError)) throw thrown;
      const refusal = refusalReport(vmId, vm, fence, thrown);
      if (refusal !== undefined) return reports.enqueue(refusal);
      if (thrown.retryable) throw thrown;
      // A refusal by the host is about the guest, not about its checkpoint.
      const isRejected =
        (thrown.code === "BAD_REQUEST" || thrown.code === "TOO_LARGE") && thrown.hostCode === undefined;
      if (vm.checkpoint !== null && isRejected) this.#reportLoss(vmId, vm, fence, "REFUSED", thrown.message);
      else reports.enqueue({ vmId, fence, observed: "failed", reason: thrown.message, code: thrown.code });
      return;
    } finally {
      this.#starting.delete(vmId);
    }
    this.#noteAllocation(vmId, vm);
    states.began(vmId, fence, vm);
    courses.began(vmId, record);
    onStarted(vmId);
    if (vm.state !== "starting") {
      const why = action.kind === "restart" ? action.reason : "its agent restarted";
      const from = vm.checkpoint === null ? "" : `; it continues from minute ${vm.checkpoint.simMinutes}`;
      reports.enqueue({ vmId, fence, observed: "restarted", reason: `${why}${from}` });
    }
    // Before any other asynchronous step: a guest with a clock of its own may have started to run.
    if (isPaused(vm)) await driver.pause(vmId, fence);
  }

  /**
   * Reports the last minute of a cell once its rows are stored. For a VM that will be paused, its state of this minute is
   * recorded before, so that a guest which is started again later is at this minute as well.
   */
  async #reportUntil(
    vmId: string,
    { vm, fence, until }: AgentAction & { kind: "report-until-reached" },
  ): Promise<void> {
    const { states, courses, reports } = this.#options;
    const above = vm.checkpoint?.simMinutes;
    const taken = until.then === "pause" ? await states.takeCheckpoint(vmId, fence, above) : null;
    await courses.flush(vmId);
    if (taken !== null) await reports.send({ vmId, fence, observed: "checkpointed", ...taken });
    const restores = states.restoresOf(vmId, fence);
    reports.enqueue({ vmId, fence, observed: "until-reached", simMinute: until.simMinutes, restores });
  }

  /** Gives the guest the change. A guest that is beyond its minute continues from its checkpoint, which is before it. */
  async #change(
    driver: GuestVerbs,
    vmId: string,
    { vm, fence, change }: AgentAction & { kind: "change" },
  ): Promise<void> {
    const { states, ports } = this.#options;
    if (states.programs.takeRan(vmId, change)) return states.changed(vmId, fence, change.seq);
    const [given] = await withSources(ports.log, vmId, [change]);
    try {
      if (given !== undefined) await driver.change?.(vmId, fence, given);
    } catch (thrown) {
      if (!(thrown instanceof DriverError) || thrown.code !== "INVALID_STATE") throw thrown;
      const reason = `a change of minute ${change.simMinute} was recorded late`;
      const allocation = allocationAtStart(vm);
      return this.#start(driver, vmId, { kind: "restart", vm, fence, allocation, reason });
    }
    if (change.allocation !== undefined) this.#courses.add(vmId);
    states.changed(vmId, fence, change.seq);
  }

  /** Notes the allocation of a guest that has just started, with the changes of its VM. */
  #noteAllocation(vmId: string, vm: Vm): void {
    this.#allocations.set(vmId, allocationFor(vm));
    if (vm.allocationCourse === undefined) this.#courses.delete(vmId);
    else this.#courses.add(vmId);
  }

  /**
   * Passes the deadline of the VM on to a stop that is under way, and ends a start that is under way: the copy of a disk
   * may take hours. The stop or start itself reports the outcome, so the failure of this call needs no report.
   */
  async hastenStop(driver: GuestVerbs, vmId: string, { stopDeadline, fence }: Vm): Promise<void> {
    if (fence === null) return;
    const isStopping = stopDeadline !== null && this.#stopping.get(vmId) === fence;
    if (!isStopping && this.#starting.get(vmId) !== fence) return;
    await driver.stop(vmId, fence, this.#graceOf(stopDeadline)).catch(() => undefined);
  }

  async #stop(driver: GuestVerbs, vmId: string, fence: number, deadline: StopDeadline | null): Promise<void> {
    this.#stopping.set(vmId, fence);
    try {
      await driver.stop(vmId, fence, this.#graceOf(deadline));
    } finally {
      this.#stopping.delete(vmId);
    }
    this.#allocations.delete(vmId);
    this.#courses.delete(vmId);
    this.#options.states.ended(vmId);
    this.#options.courses.ended(vmId);
  }

  /** Reports the end of a guest. For a VM that is destroyed, reports nothing while its driver still removes something. */
  async #reportStopped(
    driver: Remover,
    vmId: string,
    { fence, reason, removes }: AgentAction & { kind: "stop" },
  ): Promise<void> {
    const remains: Remains =
      removes === undefined ? { kind: "gone" } : await removeRemains(driver, vmId, removes);
    if (remains.kind === "tried") return;
    const why = remains.kind === "kept" ? remains.reason : reason;
    this.#options.reports.enqueue({ vmId, fence, observed: "stopped", reason: why });
  }

  #graceOf(deadline: StopDeadline | null): { readonly graceMs: number | undefined } {
    return { graceMs: graceMs(deadline, this.#options.ports.clock.nowMs()) };
  }

  /**
   * Returns the bytes of the VM's checkpoint; undefined when the VM has no checkpoint. If the bytes are missing or
   * damaged, queues a report of the loss and returns "lost". Once the log has this report, the guest starts without a
   * checkpoint.
   */
  async #checkpointOf(vmId: string, vm: Vm, fence: number): Promise<Uint8Array | undefined | "lost"> {
    if (vm.checkpoint === null) return undefined;
    const loaded = await loadState(this.#options.ports, vmId, vm.checkpoint);
    if (loaded.kind === "whole") return loaded.bytes;
    this.#reportLoss(vmId, vm, fence, loaded.code, loaded.reason);
    return "lost";
  }

  #reportLoss(vmId: string, { checkpoint }: Vm, fence: number, code: CheckpointLoss, reason: string): void {
    if (checkpoint === null) return;
    const { checkpointId } = checkpoint;
    this.#options.reports.enqueue({ vmId, fence, observed: "checkpoint-lost", checkpointId, code, reason });
  }
}

function specOf(vmId: string, vm: Vm, fence: number, allocation: Amounts): GuestSpec {
  return {
    vmId,
    incarnation: vm.incarnation,
    fence,
    biologicalType: vm.biologicalType,
    seed: vm.seed,
    priority: vm.priority,
    timeScale: vm.timeScale,
    startsPaused: isPaused(vm) ? true : undefined,
    allocation,
    environment: vm.environment,
    program: vm.program ?? undefined,
    config: vm.config,
    restores: vm.restores,
  };
}
