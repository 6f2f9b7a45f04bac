/**
 * Reconciles this agent's guests with the log, one VM at a time, and reports the outcome to lifecycle.
 *
 * Each report is repeated until lifecycle has taken it. The agent stores nothing across a restart: a guest that should
 * run and does not is started again on the reservation that its VM still has.
 */
import { aggregateOf, type DriftPolicy } from "@bioxen/contracts";
import { type EventFeed, messageOf, Reconciler, type ServicePorts, type StepResult } from "@bioxen/kernel";
import type { VmDriver } from "@bioxen/vm-driver";
import { type AgentAction, nextAction, removal } from "../domain/desired.ts";
import { isUnwanted } from "../domain/leftovers.ts";
import type { AgentClaim } from "./claim.ts";
import { Drift } from "./drift.ts";
import { type Drivers, guestIn, keptIn } from "./drivers.ts";
import type { GuestActions } from "./guest-actions.ts";
import type { GuestView } from "./guest-view.ts";
import { KeptSnapshots } from "./kept-snapshots.ts";
import type { Report, Reports } from "./reports.ts";
import { StartProgressReports, startDueAtMs } from "./start-reports.ts";

/** Delay until the agent repeats a report that is not in the log yet, or checks again whether it has its claim, ms. */
const REPORT_AGAIN_MS = 500;
/** Maximum number of actions in one step of a VM. A start, a resize, a pause and their reports together need fewer. */
const MAX_ACTIONS_PER_STEP = 8;

/** Reports after which the start must not be repeated before the log has the report. */
const ENDS_START: readonly Report["observed"][] = ["failed", "start-refused", "checkpoint-lost"];

export interface GuestsOptions {
  readonly ports: ServicePorts;
  readonly claim: Pick<AgentClaim, "isHeld">;
  readonly drivers: Drivers;
  readonly view: GuestView;
  readonly actions: GuestActions;
  readonly reports: Reports;
  readonly drift: DriftPolicy;
}

export class Guests {
  readonly #options: GuestsOptions;
  readonly #reconciler: Reconciler;
  readonly #drift: Drift;
  readonly #keptSnapshots: KeptSnapshots;
  readonly #progress: StartProgressReports;
  /** Resolves once the view has applied the event with this sequence. */
  #applied: (seq: number) => Promise<void> = () => Promise.resolve();

  constructor(options: GuestsOptions) {
    const { ports, view, reports, drift } = options;
    this.#options = options;
    this.#keptSnapshots = new KeptSnapshots(ports, view.vms);
    this.#progress = new StartProgressReports(ports, reports);
    this.#drift = new Drift(drift, ports.clock, async (report) => this.#applied(await reports.send(report)));
    this.#reconciler = new Reconciler({
      clock: ports.clock,
      timers: ports.timers,
      step: (vmId) => this.#step(vmId),
      onError: (vmId, thrown) =>
        ports.logger.warn({ vmId, err: thrown }, `a step failed: ${messageOf(thrown)}`),
    });
  }

  begin(feed: EventFeed): void {
    const { actions, drivers, ports, reports, view } = this.#options;
    view.begin();
    this.#applied = (seq) => feed.applied(seq);
    feed.onEvent(({ envelope }) => {
      const { kind, id } = aggregateOf(envelope.subject);
      if (kind === "vm") {
        view.noteVm(id);
        const vm = view.vm(id);
        if (vm !== undefined) actions.onVmChanged(id, vm);
        reports.onVmChanged(id);
        this.#hastenStop(id);
        this.#reconciler.wake(id);
      } else if (kind === "chassis") {
        for (const vmId of view.vmsOn(id)) this.#reconciler.wake(vmId);
      }
    });
    drivers.onGuestEvent((event) => {
      if (event.kind === "observed") this.#drift.note(event);
      if (event.kind === "progress") this.#progress.note(event);
      if (event.kind === "left") ports.logger.warn(event.left, `not removed: ${event.left.reason}`);
      if (["failed", "changed", "observed"].includes(event.kind)) this.#reconciler.wake(event.vmId);
    });
    for (const driver of drivers.all) {
      // Until a driver is ready, the steps of its VMs fail and are repeated. Once it is ready, guests of VMs that the
      // log does not have get a step as well.
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

  /** Schedules a reconciliation step for every VM in the log and for every guest of a driver. */
  wakeAll(): void {
    for (const [vmId] of this.#options.view.vms.entries()) this.#reconciler.wake(vmId);
    for (const vmId of this.#options.drivers.ids()) this.#reconciler.wake(vmId);
  }

  async #step(vmId: string): Promise<StepResult> {
    const { ports, claim, drivers, view, actions, reports } = this.#options;
    if (!claim.isHeld()) return this.#pauseHeld(vmId);
    await Promise.all(drivers.all.map((driver) => this.#removeLeftovers(driver, vmId)));
    const left = await this.#keptSnapshots.removeUnreferenced(drivers.all, vmId);
    for (let i = 0; i < MAX_ACTIONS_PER_STEP; i += 1) {
      // A guest that must not run is ended or paused before any report, because a report can wait for an answer.
      if (!this.#mustNotRun(vmId)) {
        await reports.sendPending(vmId);
        if (!view.isHeld(vmId)) await this.#drift.report(vmId);
      }
      const driver = this.#driverOf(vmId);
      if (view.isHosted(vmId) || view.isRemover(vmId)) await driver?.whenReady();
      if (!claim.isHeld()) return this.#pauseHeld(vmId);
      const action = this.#next(vmId);
      if (action.kind !== "hand-over") actions.forgetHandOver(vmId);
      if (action.kind === "none") return earliest(left, actions.programDueAtMs(vmId));
      const dueAtMs = "vm" in action ? startDueAtMs(action.vm, action.fence) : 0;
      if (dueAtMs > ports.clock.nowMs()) return { dueAtMs };
      await actions.run(driver, vmId, action);
      const isStart = action.kind === "start" || action.kind === "restart";
      if (isStart) this.#progress.forget(vmId);
      const { observed } = reports.pending(vmId) ?? {};
      const hasFailed = observed !== undefined && ENDS_START.includes(observed);
      const isReported = ["stop", "hand-over"].includes(action.kind) || action.kind.startsWith("report-");
      if (!(isStart && hasFailed) && !isReported) continue;
      await reports.sendPending(vmId);
      // The lifecycle instance that took the report may not know the reservation yet, so the report is repeated until
      // the log shows it.
      return { dueAtMs: ports.clock.nowMs() + REPORT_AGAIN_MS };
    }
    await reports.sendPending(vmId);
    return left;
  }

  /**
   * Pauses a guest that must not run, and takes no other action, because this process does not hold the claim. Another
   * process may be the agent by now and control the guest. A guest in a pool is the same machine for both processes.
   */
  async #pauseHeld(vmId: string): Promise<StepResult> {
    const action = this.#next(vmId);
    if (action.kind === "pause" && this.#options.view.isHeld(vmId))
      await this.#options.actions.run(this.#driverOf(vmId), vmId, action);
    return { dueAtMs: this.#options.ports.clock.nowMs() + REPORT_AGAIN_MS };
  }

  /** A step of the VM may wait for its guest to end, so that a nearer deadline cannot wait for the next step. */
  #hastenStop(vmId: string): void {
    const { claim, view, actions } = this.#options;
    const [vm, driver] = [view.vm(vmId), this.#driverOf(vmId)];
    if (vm?.state !== "stopping" || driver === undefined || !claim.isHeld()) return;
    void actions.hastenStop(driver, vmId, vm);
  }

  #driverOf(vmId: string): VmDriver | undefined {
    const vm = this.#options.view.vm(vmId);
    return vm && this.#options.drivers.of(vm.vmType);
  }

  #next(vmId: string): AgentAction {
    const { view, actions } = this.#options;
    const driver = this.#driverOf(vmId);
    const guest = driver && actions.present(driver, vmId);
    const vm = view.vm(vmId);
    if (vm !== undefined && view.isRemover(vmId)) return removal(vm);
    return nextAction(view.vms.get(vmId), view.isHosted(vmId), guest, view.isHeld(vmId));
  }

  #mustNotRun(vmId: string): boolean {
    const { kind } = this.#next(vmId);
    return kind === "end" || (kind === "pause" && this.#options.view.isHeld(vmId));
  }

  /** Ends a guest whose VM now has another type, and discards the remains of a stopped guest that no start will use. */
  async #removeLeftovers(driver: VmDriver, vmId: string): Promise<void> {
    const { view } = this.#options;
    const vm = view.vms.get(vmId);
    const { vmType } = driver.capabilities;
    const stray = vm.exists && vm.vmType === vmType ? undefined : guestIn(driver, vmId);
    if (stray !== undefined) await driver.stop(vmId, stray.fence);
    const kept = keptIn(driver, vmId);
    if (kept === undefined || !isUnwanted(vm, view.isHosted(vmId), kept, vmType)) return;
    await driver.discard(vmId, kept.incarnation);
  }
}

function earliest(result: StepResult, dueAtMs: number | undefined): StepResult {
  if (dueAtMs === undefined) return result;
  return { dueAtMs: Math.min(dueAtMs, result?.dueAtMs ?? dueAtMs) };
}
