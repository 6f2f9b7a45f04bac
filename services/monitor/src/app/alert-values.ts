/**
 * Feeds the alert evaluator: its targets (VMs, chassis, services) and the values that alerts are about.
 *
 * Values of events and samples are passed on as they arrive. Values that change with time alone (the wait of a VM, the
 * age of a heartbeat) are computed once a second.
 */
import {
  type AlertMetricName,
  aggregateOf,
  type ChassisState,
  isCellSample,
  type Ledger,
  LOG_TARGET,
  type ServiceSample,
  type Vm,
  type VmSample,
  type VmState,
} from "@bioxen/contracts";
import type { EventFeed, ReadModel, ServicePorts } from "@bioxen/kernel";
import type { AlertEvaluator } from "../domain/alert-evaluator.ts";
import { growthPermille, healthOf, isUnmeasured, machineMemoryPermille } from "../domain/health.ts";
import { utilisationOf } from "../domain/utilisation.ts";
import { type Samples, STALE_AFTER_MS } from "./samples.ts";

/** Interval for values that change with time alone, ms: hold times are given in seconds. */
const TICK_MS = 1_000;
/** States in which the samples of a VM are current, because the VM has a guest or is about to have one. */
export const MEASURED_STATES: readonly Vm["state"][] = ["running", "paused", "starting", "stopping"];
const MEASURED = [
  "vm.health",
  "vm.growthPermille",
  "vm.lagMs",
  "vm.memoryPermille",
  "vm.unmeasured",
] as const satisfies readonly AlertMetricName[];

export interface Watched {
  readonly vms: ReadModel<VmState>;
  readonly ledgers: ReadModel<Ledger>;
  readonly chassis: ReadModel<ChassisState>;
}

export class AlertValues {
  readonly #ports: ServicePorts;
  readonly #watched: Watched;
  readonly #samples: Samples;
  readonly #evaluator: AlertEvaluator;
  #listeningSinceMs = 0;
  #tick: { cancel(): void } | undefined;

  constructor(ports: ServicePorts, watched: Watched, samples: Samples, evaluator: AlertEvaluator) {
    this.#ports = ports;
    this.#watched = watched;
    this.#samples = samples;
    this.#evaluator = evaluator;
  }

  begin(feed: EventFeed): void {
    this.#listeningSinceMs = this.#ports.clock.nowMs();
    feed.onEvent(({ envelope }) => {
      const { kind, id } = aggregateOf(envelope.subject);
      if (kind === "vm") this.#updateVm(id);
      if (kind === "chassis" || kind === "ledger") this.#updateChassis(id);
    });
    for (const vmId of this.#watched.vms.ids()) this.#updateVm(vmId);
    for (const chassisId of this.#watched.chassis.ids()) this.#updateChassis(chassisId);
    this.#tick = this.#ports.timers.every(TICK_MS, () => this.#updateTimes());
  }

  end(): void {
    this.#tick?.cancel();
  }

  observeSample(sample: VmSample): void {
    const vm = this.#watched.vms.get(sample.vmId);
    if (!vm.exists || !MEASURED_STATES.includes(vm.state)) return;
    if (vm.state === "paused" || sample.state === "paused") {
      this.#observeMeasured(sample.vmId, undefined);
      return;
    }
    const { vmId, machine, lagMs } = sample;
    // A guest has only the metrics of its kind: a cell alone has no memory of a machine, a machine without a cell does not
    // grow, and a cell in a machine has both.
    this.#observe("vm.health", vmId, healthOf(vm, sample).health);
    this.#observe("vm.growthPermille", vmId, growthPermille(vm, sample));
    this.#observe("vm.lagMs", vmId, isCellSample(sample) ? Math.round(lagMs) : null);
    this.#observe("vm.memoryPermille", vmId, machine === undefined ? null : machineMemoryPermille(machine));
    this.#observe("vm.unmeasured", vmId, machine === undefined ? null : Number(isUnmeasured(machine)));
  }

  #updateVm(vmId: string): void {
    const vm = this.#watched.vms.get(vmId);
    if (!vm.exists || vm.state === "destroyed") {
      this.#evaluator.forget("vm", vmId);
      return;
    }
    const { chassisId, labels } = vm;
    this.#evaluator.describe("vm", vmId, { chassisId, labels }, this.#nowMs());
    this.#updateWait(vmId, vm);
    if (!MEASURED_STATES.includes(vm.state)) this.#observeMeasured(vmId, null);
    else if (vm.state !== "running") this.#observeMeasured(vmId, undefined);
  }

  #updateWait(vmId: string, vm: Vm): void {
    const waitedMs = vm.pendingSinceMs === null ? 0 : Math.max(0, this.#nowMs() - vm.pendingSinceMs);
    this.#observe("vm.pendingMs", vmId, waitedMs);
  }

  #observeMeasured(vmId: string, value: null | undefined): void {
    for (const metric of MEASURED) this.#observe(metric, vmId, value);
  }

  #updateChassis(chassisId: string): void {
    const chassis = this.#watched.chassis.get(chassisId);
    if (!chassis.registered) {
      this.#samples.forgetChassis(chassisId);
      this.#evaluator.forget("chassis", chassisId);
      return;
    }
    this.#evaluator.describe("chassis", chassisId, { chassisId, labels: chassis.labels }, this.#nowMs());
    const ledger = this.#watched.ledgers.get(chassisId);
    const uses = ledger.open ? Object.values(utilisationOf([ledger])) : [];
    const fullest = uses.length === 0 ? null : Math.max(...uses.map((use) => use.permille));
    this.#observe("chassis.reservedPermille", chassisId, fullest);
  }

  #updateTimes(): void {
    const nowMs = this.#nowMs();
    for (const [vmId, vm] of this.#watched.vms.entries()) {
      if (!vm.exists) continue;
      if (vm.pendingSinceMs !== null) this.#updateWait(vmId, vm);
      const isStale = (this.#samples.vms.ageMs(vmId, nowMs) ?? 0) > STALE_AFTER_MS;
      if (isStale && MEASURED_STATES.includes(vm.state)) this.#observeMeasured(vmId, undefined);
    }
    for (const [chassisId, chassis] of this.#watched.chassis.entries()) {
      if (!chassis.registered) continue;
      // Without a heartbeat the silence counts from the registration, or from the start of this process.
      const fromMs = Math.max(this.#listeningSinceMs, chassis.registeredAtMs);
      const ageMs = this.#samples.chassis.ageMs(chassisId, nowMs) ?? nowMs - fromMs;
      this.#observe("chassis.heartbeatAgeMs", chassisId, Math.max(0, ageMs));
      this.#observe("chassis.rivals", chassisId, this.#samples.rivals.of(chassisId, nowMs));
      const sample = this.#samples.chassis.get(chassisId);
      this.#observe("chassis.orphans", chassisId, sample && (sample.orphans ?? 0));
      this.#observe("chassis.leftBehind", chassisId, sample && (sample.leftBehind ?? 0));
      this.#observe("telemetry.lostPermille", chassisId, this.#samples.lossOf(chassisId).permille(nowMs));
    }
    this.#updateServices(nowMs);
  }

  /** Observes the largest lag of each service, and the problems that services report of the log and the server. */
  #updateServices(nowMs: number): void {
    const known = new Set<string>();
    const lags = new Map<string, number>();
    let store: ServiceSample["store"];
    let unreadable: number | undefined;
    for (const key of this.#samples.services.ids()) known.add(key.slice(0, key.indexOf(" ")));
    this.#samples.dropSilentServices(nowMs);
    for (const key of this.#samples.services.ids()) {
      const sample = this.#samples.services.get(key);
      store ??= sample?.store;
      if (sample?.unreadable !== undefined) unreadable = Math.max(unreadable ?? 0, sample.unreadable);
      if (sample === undefined || sample.lagEvents === null) continue;
      lags.set(sample.service, Math.max(lags.get(sample.service) ?? 0, sample.lagEvents));
    }
    for (const service of known) {
      this.#evaluator.describe("service", service, NO_FACTS, nowMs);
      this.#observe("log.lagEvents", service, lags.get(service));
    }
    this.#evaluator.describe("log", LOG_TARGET, NO_FACTS, nowMs);
    this.#observe("log.unreadable", LOG_TARGET, unreadable);
    this.#observe("log.foreignStreams", LOG_TARGET, store?.foreignStreams);
    this.#observe("log.missingCopies", LOG_TARGET, store?.missingCopies);
  }

  #observe(metric: AlertMetricName, target: string, value: number | null | undefined): void {
    this.#evaluator.observe(metric, target, value, this.#nowMs());
  }

  #nowMs(): number {
    return this.#ports.clock.nowMs();
  }
}

const NO_FACTS = { chassisId: null, labels: {} } as const;
