/**
 * The monitor on its ports: what the fleet measures, beside what the log says it should be.
 */
import {
  type ChassisState,
  chassisFold,
  ENDPOINTS,
  type Handled,
  type Ledger,
  ledgerFold,
  type ResultOf,
  refuse,
  serve,
  type Vm,
  type VmState,
  vmFold,
} from "@bioxen/contracts";
import { type EventFeed, ReadModel, type ServicePorts } from "@bioxen/kernel";
import { grantedShare, jainsIndex } from "../domain/fairness.ts";
import { utilisationOf } from "../domain/utilisation.ts";
import { AlertCommands } from "./alert-commands.ts";
import { NO_WEBHOOKS, type Webhooks } from "./alert-deliveries.ts";
import { AlertValues, MEASURED_STATES } from "./alert-values.ts";
import { Alerts } from "./alerts.ts";
import { Samples } from "./samples.ts";

export interface MonitorOptions {
  /** Who is told of alerts beside NATS. */
  readonly webhooks?: Webhooks;
}

export function createMonitor(ports: ServicePorts, options: MonitorOptions = {}) {
  const alerts = new Alerts(ports, options.webhooks ?? NO_WEBHOOKS);
  const commands = new AlertCommands(alerts);
  const monitor = new Monitor(ports, alerts);
  return {
    sinks: [monitor.vms, monitor.ledgers, monitor.chassis, alerts.states],
    endpoints: [
      serve(ENDPOINTS.monitorVm, ({ vmId }) => monitor.vm(vmId)),
      serve(ENDPOINTS.monitorChassis, ({ chassisId }) => monitor.ofChassis(chassisId)),
      serve(ENDPOINTS.monitorFleet, () => monitor.fleet()),
      serve(ENDPOINTS.alertSetRule, (request, causation) => commands.setRule(request, causation)),
      serve(ENDPOINTS.alertRemoveRule, (request, causation) => commands.removeRule(request, causation)),
      serve(ENDPOINTS.alertList, (request) => commands.list(request)),
      serve(ENDPOINTS.alertDead, (request) => commands.dead(request)),
      serve(ENDPOINTS.alertRetry, (request, causation) => commands.retry(request, causation)),
    ],
    begin: (feed: EventFeed) => monitor.begin(feed),
    end: () => monitor.end(),
  };
}

class Monitor {
  readonly vms = new ReadModel<VmState>("vm", vmFold);
  readonly ledgers = new ReadModel<Ledger>("ledger", ledgerFold);
  readonly chassis = new ReadModel<ChassisState>("chassis", chassisFold);
  readonly #samples: Samples;
  readonly #ports: ServicePorts;
  readonly #alerts: Alerts;
  readonly #values: AlertValues;

  constructor(ports: ServicePorts, alerts: Alerts) {
    this.#ports = ports;
    this.#alerts = alerts;
    this.#samples = new Samples(ports);
    this.#values = new AlertValues(ports, this, this.#samples, alerts.evaluator);
  }

  begin(feed: EventFeed): void {
    this.#alerts.begin(feed);
    this.#values.begin(feed);
    this.#samples.begin({ onVm: (sample) => this.#values.heardVm(sample) });
    feed.onEvent(({ envelope }) => {
      if (!envelope.subject.startsWith("vm/")) return;
      const vmId = envelope.subject.slice("vm/".length);
      const vm = this.vms.get(vmId);
      if (!vm.exists || !MEASURED_STATES.includes(vm.state)) this.#samples.forgetVm(vmId);
    });
  }

  async end(): Promise<void> {
    this.#samples.end();
    this.#values.end();
    await this.#alerts.end();
  }

  vm(vmId: string): Handled<ResultOf<"monitorVm">> {
    if (!this.vms.get(vmId).exists) return refuse("VM_NOT_FOUND", `there is no VM ${vmId}`);
    const sample = this.#samples.vms.get(vmId) ?? null;
    const ageMs = sample === null ? null : Math.max(0, this.#ports.clock.nowMs() - sample.atMs);
    return { ok: true, result: { sample, ageMs } };
  }

  ofChassis(chassisId: string): Handled<ResultOf<"monitorChassis">> {
    const ledger = this.ledgers.get(chassisId);
    if (!this.chassis.get(chassisId).registered && !ledger.open) {
      return refuse("CHASSIS_NOT_FOUND", `there is no chassis ${chassisId}`);
    }
    const here = this.#existing().filter(([, vm]) => vm.chassisId === chassisId);
    return {
      ok: true,
      result: {
        chassisId,
        utilisation: utilisationOf([ledger]),
        fairness: fairnessOf(here),
        health: this.#healthOf(here),
        vms: here.length,
        sample: this.#samples.chassis.get(chassisId) ?? null,
      },
    };
  }

  fleet(): Handled<ResultOf<"monitorFleet">> {
    const all = this.#existing();
    const byState: Record<string, number> = {};
    for (const [, vm] of all) byState[vm.state] = (byState[vm.state] ?? 0) + 1;
    const samples = all.flatMap(([vmId]) => this.#samples.vms.get(vmId) ?? []);
    return {
      ok: true,
      result: {
        utilisation: utilisationOf([...this.ledgers.values()].filter((ledger) => ledger.open)),
        fairness: fairnessOf(all),
        health: this.#healthOf(all),
        vms: byState,
        divisions: samples.reduce((sum, sample) => sum + sample.divisions, 0),
        samples,
      },
    };
  }

  #existing(): [string, Vm][] {
    return [...this.vms.entries()]
      .flatMap(([vmId, vm]): [string, Vm][] => (vm.exists && vm.state !== "destroyed" ? [[vmId, vm]] : []))
      .sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** Mean health of those that are measured, 0–100; null when none is. */
  #healthOf(vms: readonly [string, Vm][]): number | null {
    const measured = vms.flatMap(([vmId]) => this.#samples.vms.get(vmId)?.health ?? []);
    return measured.length === 0 ? null : measured.reduce((a, b) => a + b, 0) / measured.length;
  }
}

/** Over VMs that hold an allocation, or wait for one and so have been granted nothing. */
function fairnessOf(vms: readonly [string, Vm][]): number | null {
  const shares = vms.flatMap(([, vm]) => {
    if (vm.allocation === null && vm.state !== "pending") return [];
    return grantedShare(vm.allocation ?? {}, vm.request) ?? [];
  });
  return jainsIndex(shares);
}
