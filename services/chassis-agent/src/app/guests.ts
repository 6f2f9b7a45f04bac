/**
 * Makes the guests of this agent what the log says, one VM at a time, and reports what came of it.
 *
 * Reports go to lifecycle and are repeated until they are taken. Nothing is remembered over a restart: guests that
 * should run and do not are started again, from the reservation they still have.
 */
import {
  aggregateOf,
  type ChassisState,
  type CheckpointLoss,
  chassisFold,
  type DriftPolicy,
  endsWithAgent,
  type Vm,
  type VmState,
  vmFold,
} from "@bioxen/contracts";
import {
  type Amounts,
  type EventFeed,
  messageOf,
  ReadModel,
  Reconciler,
  type ServicePorts,
  type StepResult,
} from "@bioxen/kernel";
import { DriverError, type GuestSpec, type VmDriver } from "@bioxen/vm-driver";
import { type AgentAction, nextAction, type PresentGuest } from "../domain/desired.ts";
import { isUnwanted } from "../domain/leftovers.ts";
import { loadState } from "./checkpoints.ts";
import { Drift } from "./drift.ts";
import { type Drivers, guestIn, keptIn } from "./drivers.ts";
import { GuestStates } from "./guest-states.ts";
import { HandOvers } from "./hand-overs.ts";
import { KeptSnapshots } from "./kept-snapshots.ts";
import { Reports } from "./reports.ts";

/** Until a report is made again that the log does not show yet, ms. */
const REPORT_AGAIN_MS = 500;
/** Actions one look may take; start, resize, pause and their reports are fewer. */
const MAX_ACTIONS_PER_LOOK = 8;

type Acting = Pick<VmDriver, "start" | "restart" | "stop" | "pause" | "resume" | "resize">;

const unsupported = () =>
  Promise.reject(new DriverError("UNSUPPORTED", "no driver here runs VMs of its type"));
/** Stands in where a VM was placed on a chassis whose agent cannot run it: its start fails, its stop is done. */
const NO_DRIVER: Acting = {
  start: unsupported,
  restart: unsupported,
  stop: () => Promise.resolve(),
  pause: unsupported,
  resume: unsupported,
  resize: unsupported,
};

export class Guests {
  readonly vms = new ReadModel<VmState>("vm", vmFold);
  readonly chassis = new ReadModel<ChassisState>("chassis", chassisFold);
  readonly states: GuestStates;
  readonly #ports: ServicePorts;
  readonly #agentId: string;
  readonly #drivers: Drivers;
  readonly #reconciler: Reconciler;
  /** What each guest here was last given. */
  readonly #allocations = new Map<string, Amounts>();
  readonly #handOvers: HandOvers;
  readonly #drift: Drift;
  readonly #keptSnapshots: KeptSnapshots;
  readonly reports: Reports;
  readonly #onStarted: (vmId: string) => void;
  /** Whether no guest may run now: the log is out of reach. */
  readonly #isHolding: () => boolean;
  /** Resolves once the event with this sequence is in the states here. */
  #applied: (seq: number) => Promise<void> = () => Promise.resolve();

  constructor(
    ports: ServicePorts,
    agentId: string,
    drivers: Drivers,
    onStarted: (vmId: string) => void,
    isHolding: () => boolean,
    drift: DriftPolicy,
  ) {
    this.#ports = ports;
    this.#keptSnapshots = new KeptSnapshots(ports, this.vms);
    this.reports = new Reports(ports, this.vms);
    this.#drift = new Drift(drift, ports.clock, async (report) =>
      this.#applied(await this.reports.send(report)),
    );
    this.#isHolding = isHolding;
    this.#agentId = agentId;
    this.#drivers = drivers;
    this.states = new GuestStates(ports, drivers, this.vms, (vmId) => this.chassisOf(vmId));
    this.#handOvers = new HandOvers(this.states);
    this.#onStarted = onStarted;
    this.#reconciler = new Reconciler({
      clock: ports.clock,
      timers: ports.timers,
      step: (vmId) => this.#look(vmId),
      onError: (vmId, thrown) =>
        ports.logger.warn({ vmId, err: thrown }, `a step failed: ${messageOf(thrown)}`),
    });
  }

  begin(feed: EventFeed): void {
    this.#applied = (seq) => feed.applied(seq);
    feed.onEvent(({ envelope }) => {
      const { kind, id } = aggregateOf(envelope.subject);
      if (kind === "vm") {
        this.reports.note(id);
        this.#reconciler.wake(id);
      } else if (kind === "chassis") this.wakeAll();
    });
    this.#drivers.onGuestEvent((event) => {
      if (event.kind === "observed") this.#drift.note(event);
      if (["failed", "changed", "observed"].includes(event.kind)) this.#reconciler.wake(event.vmId);
    });
    for (const driver of this.#drivers.all) {
      // A driver that is not ready makes its VMs' looks fail and be repeated; strays it holds are looked at then, too.
      void driver.whenReady().then(
        () => this.wakeAll(),
        () => undefined,
      );
    }
    this.wakeAll();
  }

  end(): Promise<void> {
    return this.#reconciler.stop();
  }

  /** Ids of the chassis this agent runs. */
  hosted(): string[] {
    return [...this.chassis.entries()]
      .filter(([, chassis]) => chassis.registered && chassis.agentId === this.#agentId)
      .map(([chassisId]) => chassisId)
      .sort();
  }

  /** The VM's chassis when this agent runs it; null otherwise. */
  chassisOf(vmId: string): string | null {
    const vm = this.vms.get(vmId);
    if (!vm.exists || vm.chassisId === null) return null;
    const chassis = this.chassis.get(vm.chassisId);
    return chassis.registered && chassis.agentId === this.#agentId ? vm.chassisId : null;
  }

  /** What its guest here was last given; another object each time. */
  given(vmId: string): Amounts | undefined {
    return this.#allocations.get(vmId);
  }

  /** True when the log has this very guest on a chassis of this agent. */
  isOwn(vmId: string, fence: number): boolean {
    const vm = this.vms.get(vmId);
    return vm.exists && vm.fence === fence && this.chassisOf(vmId) !== null;
  }

  /** Everything is to be looked at again. */
  wakeAll(): void {
    for (const [vmId] of this.vms.entries()) this.#reconciler.wake(vmId);
    for (const vmId of this.#drivers.ids()) this.#reconciler.wake(vmId);
  }

  async #look(vmId: string): Promise<StepResult> {
    await Promise.all(this.#drivers.all.map((driver) => this.#clear(driver, vmId)));
    const left = await this.#keptSnapshots.clear(this.#drivers.all, vmId);
    for (let i = 0; i < MAX_ACTIONS_PER_LOOK; i += 1) {
      // A guest that must not run is ended or held first, whoever can be told of anything.
      if (!this.#mustNotRun(vmId)) {
        await this.reports.sendOwed(vmId);
        if (!this.#isHeld(vmId)) await this.#drift.tell(vmId);
      }
      const driver = this.#driverOf(vmId);
      if (this.chassisOf(vmId) !== null) await driver?.whenReady();
      const action = this.#next(vmId);
      if (action.kind !== "hand-over") this.#handOvers.forget(vmId);
      if (action.kind === "none") return left;
      await this.#act(driver ?? NO_DRIVER, vmId, action);
      const isLost = this.reports.owed(vmId)?.observed === "checkpoint-lost";
      const isToReport = ["stop", "hand-over"].includes(action.kind) || action.kind.startsWith("report-");
      const isReport = isLost || isToReport;
      if (!isReport) continue;
      await this.reports.sendOwed(vmId);
      // The instance that took it may not have heard of the reservation yet: say it again until the log agrees.
      return { dueAtMs: this.#ports.clock.nowMs() + REPORT_AGAIN_MS };
    }
    await this.reports.sendOwed(vmId);
    return left;
  }

  #driverOf(vmId: string): VmDriver | undefined {
    const vm = this.vms.get(vmId);
    return vm.exists ? this.#drivers.of(vm.vmType) : undefined;
  }

  #next(vmId: string): AgentAction {
    const driver = this.#driverOf(vmId);
    const guest = driver && this.#present(driver, vmId);
    return nextAction(this.vms.get(vmId), this.chassisOf(vmId) !== null, guest, this.#isHeld(vmId));
  }

  #mustNotRun(vmId: string): boolean {
    const { kind } = this.#next(vmId);
    return kind === "end" || (kind === "pause" && this.#isHeld(vmId));
  }

  /** Ends what is here of a VM of another type with this id, and removes what nobody will start again. */
  async #clear(driver: VmDriver, vmId: string): Promise<void> {
    const vm = this.vms.get(vmId);
    const { vmType } = driver.capabilities;
    const stray = vm.exists && vm.vmType === vmType ? undefined : guestIn(driver, vmId);
    if (stray !== undefined) await driver.stop(vmId, stray.fence);
    const kept = keptIn(driver, vmId);
    if (kept === undefined || !isUnwanted(vm, this.chassisOf(vmId) !== null, kept, vmType)) return;
    await driver.discard(vmId, kept.incarnation);
  }

  /** Its place may be another's by now: the log is out of reach, or says that the chassis is lost. */
  #isHeld(vmId: string): boolean {
    const vm = this.vms.get(vmId);
    if (!vm.exists || vm.chassisId === null || !endsWithAgent(vm.vmType)) return false;
    if (this.#isHolding()) return true;
    const chassis = this.chassis.get(vm.chassisId);
    return chassis.registered && chassis.lost !== null;
  }

  #present(driver: VmDriver, vmId: string): PresentGuest | undefined {
    const status = guestIn(driver, vmId);
    if (status === undefined) return undefined;
    const restores = status.restores ?? this.states.restoresOf(vmId, status.fence);
    const reachedMinutes = this.states.reachedMinutesOf(vmId, status.fence);
    return { ...status, allocation: this.#allocations.get(vmId) ?? {}, restores, reachedMinutes };
  }

  async #act(driver: Acting, vmId: string, action: Exclude<AgentAction, { kind: "none" }>): Promise<void> {
    switch (action.kind) {
      case "start":
      case "restart":
        return this.#begin(driver, vmId, action);
      case "end":
        await driver.stop(vmId, action.fence);
        this.#forget(vmId);
        return;
      case "stop":
        await driver.stop(vmId, action.fence);
        this.#forget(vmId);
        this.reports.owe({ vmId, fence: action.fence, observed: "stopped", reason: action.reason });
        return;
      case "pause":
        return driver.pause(vmId, action.fence);
      case "resume":
        return driver.resume(vmId, action.fence);
      case "resize":
        await driver.resize(vmId, action.fence, action.allocation);
        this.#allocations.set(vmId, action.allocation);
        return;
      case "hand-over":
        return this.reports.owe(await this.#handOvers.handOver(driver, vmId, action.fence));
      case "report-handed-over":
        return this.reports.owe({ vmId, fence: action.fence, observed: "handed-over" });
      case "report-started":
        this.reports.owe({ vmId, fence: action.fence, observed: "started" });
        return;
      case "report-failed":
        this.reports.owe({
          vmId,
          fence: action.fence,
          observed: "failed",
          reason: action.reason,
          code: "GUEST_ERROR",
        });
        return;
    }
  }

  async #begin(
    driver: Acting,
    vmId: string,
    action: AgentAction & { kind: "start" | "restart" },
  ): Promise<void> {
    const { kind, vm, fence, allocation } = action;
    const checkpoint = await this.#checkpointOf(vmId, vm, fence);
    if (checkpoint === "lost") return;
    try {
      const traceparent = this.vms.last(vmId)?.traceparent;
      const span = { kind: "internal", traceparent, attributes: { "bioxen.vm": vmId } } as const;
      const spec = { ...specOf(vmId, vm, fence, allocation), checkpoint };
      await this.#ports.tracer.span(`${kind} guest`, span, () => driver[kind](spec));
    } catch (thrown) {
      if (!(thrown instanceof DriverError) || thrown.retryable) throw thrown;
      const isRefused = thrown.code === "BAD_REQUEST" || thrown.code === "TOO_LARGE";
      if (vm.checkpoint !== null && isRefused) this.#oweLoss(vmId, vm, fence, "REFUSED", thrown.message);
      else this.reports.owe({ vmId, fence, observed: "failed", reason: thrown.message, code: thrown.code });
      return;
    }
    this.#allocations.set(vmId, allocation);
    this.states.began(vmId, fence, vm);
    this.#onStarted(vmId);
    if (vm.state === "starting") {
      // Before anything is waited for: no time passes for it.
      if (vm.startsPaused) await driver.pause(vmId, fence);
      return;
    }
    const why = action.kind === "restart" ? action.reason : "its agent was started again";
    const from = vm.checkpoint === null ? "" : `; it goes on from minute ${vm.checkpoint.simMinutes}`;
    this.reports.owe({ vmId, fence, observed: "restarted", reason: `${why}${from}` });
    if (vm.state === "paused") await driver.pause(vmId, fence);
  }

  /** `lost`: there is one and nobody can go on from it, which is told first: the guest begins anew once that is recorded. */
  async #checkpointOf(vmId: string, vm: Vm, fence: number): Promise<Uint8Array | undefined | "lost"> {
    if (vm.checkpoint === null) return undefined;
    const loaded = await loadState(this.#ports, vmId, vm.checkpoint);
    if (loaded.kind === "whole") return loaded.bytes;
    this.#oweLoss(vmId, vm, fence, loaded.code, loaded.reason);
    return "lost";
  }

  #oweLoss(vmId: string, { checkpoint }: Vm, fence: number, code: CheckpointLoss, reason: string): void {
    if (checkpoint === null) return;
    const { checkpointId } = checkpoint;
    this.reports.owe({ vmId, fence, observed: "checkpoint-lost", checkpointId, code, reason });
  }

  #forget(vmId: string): void {
    this.#allocations.delete(vmId);
    this.states.ended(vmId);
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
    allocation,
    environment: vm.environment,
    program: vm.program ?? undefined,
    config: vm.config,
    restores: vm.restores,
  };
}
