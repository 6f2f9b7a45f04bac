/**
 * The monitor on its ports: what the fleet measures, beside what the log says it should be, and alerts on it.
 */
import {
  ENDPOINTS,
  type Handled,
  type ParsedRequestOf,
  type ResultOf,
  refuse,
  serve,
} from "@bioxen/contracts";
import type { EventFeed, ServicePorts } from "@bioxen/kernel";
import { utilisationOf } from "../domain/utilisation.ts";
import { AlertCommands } from "./alert-commands.ts";
import { NO_WEBHOOKS, type Webhooks } from "./alert-deliveries.ts";
import { AlertValues } from "./alert-values.ts";
import { Alerts } from "./alerts.ts";
import { Fleet } from "./fleet.ts";
import { fleetMeasurements, vmMeasurements } from "./measurements.ts";
import { FleetOverTime } from "./over-time.ts";
import { Samples } from "./samples.ts";

export interface MonitorOptions {
  /** Who is told of alerts beside NATS. */
  readonly webhooks?: Webhooks;
}

export function createMonitor(ports: ServicePorts, options: MonitorOptions = {}) {
  const samples = new Samples(ports);
  const fleet = new Fleet(samples, ports.clock);
  const alerts = new Alerts(ports, options.webhooks ?? NO_WEBHOOKS);
  const values = new AlertValues(ports, fleet, samples, alerts.evaluator);
  const commands = new AlertCommands(alerts);
  const overTime = new FleetOverTime(ports, fleet, samples, alerts);
  const queries = new MonitorQueries(ports, fleet, samples);
  return {
    sinks: [fleet.vms, fleet.ledgers, fleet.chassis, alerts.states],
    endpoints: [
      serve(ENDPOINTS.monitorVm, ({ vmId }) => queries.vm(vmId)),
      serve(ENDPOINTS.monitorChassis, ({ chassisId }) => queries.ofChassis(chassisId)),
      serve(ENDPOINTS.monitorFleet, (request) => queries.fleet(request)),
      serve(ENDPOINTS.monitorHistory, (request) => overTime.history(request)),
      serve(ENDPOINTS.monitorReport, () => overTime.report()),
      serve(ENDPOINTS.alertSetRule, (request, causation) => commands.setRule(request, causation)),
      serve(ENDPOINTS.alertRemoveRule, (request, causation) => commands.removeRule(request, causation)),
      serve(ENDPOINTS.alertList, (request) => commands.list(request)),
      serve(ENDPOINTS.alertDead, (request) => commands.dead(request)),
      serve(ENDPOINTS.alertRetry, (request, causation) => commands.retry(request, causation)),
    ],
    begin(feed: EventFeed) {
      fleet.begin(feed);
      alerts.begin(feed);
      values.begin(feed);
      overTime.begin();
      samples.begin({ onVm: (sample) => values.heardVm(sample) });
    },
    async end() {
      samples.end();
      values.end();
      overTime.end();
      await alerts.end();
    },
    measure: () => fleetMeasurements(fleet, samples, alerts, ports.clock),
    measureVms: () => vmMeasurements(fleet, samples),
  };
}

class MonitorQueries {
  readonly #ports: ServicePorts;
  readonly #fleet: Fleet;
  readonly #samples: Samples;

  constructor(ports: ServicePorts, fleet: Fleet, samples: Samples) {
    this.#ports = ports;
    this.#fleet = fleet;
    this.#samples = samples;
  }

  vm(vmId: string): Handled<ResultOf<"monitorVm">> {
    const vm = this.#fleet.vms.get(vmId);
    if (!vm.exists) return refuse("VM_NOT_FOUND", `there is no VM ${vmId}`);
    const sample = this.#samples.vms.get(vmId) ?? null;
    const ageMs = sample === null ? null : Math.max(0, this.#ports.clock.nowMs() - sample.atMs);
    const { health, reasons } = this.#fleet.healthOf(vmId, vm) ?? { health: null, reasons: [] };
    return { ok: true, result: { sample, ageMs, health, reasons: [...reasons] } };
  }

  ofChassis(chassisId: string): Handled<ResultOf<"monitorChassis">> {
    const ledger = this.#fleet.ledgers.get(chassisId);
    if (!this.#fleet.chassis.get(chassisId).registered && !ledger.open) {
      return refuse("CHASSIS_NOT_FOUND", `there is no chassis ${chassisId}`);
    }
    const nowMs = this.#ports.clock.nowMs();
    const here = this.#fleet.existing().filter(([, vm]) => vm.chassisId === chassisId);
    return {
      ok: true,
      result: {
        chassisId,
        utilisation: utilisationOf([ledger]),
        fairness: this.#fleet.fairness(here),
        health: this.#fleet.meanHealth(here),
        vms: here.length,
        sample: this.#samples.chassis.get(chassisId) ?? null,
        heartbeatAgeMs: this.#samples.chassis.ageMs(chassisId, nowMs) ?? null,
        impaired: this.#fleet.impairments(here),
        telemetry: this.#samples.lossOf(chassisId).view(nowMs),
      },
    };
  }

  fleet({ limit }: ParsedRequestOf<"monitorFleet">): Handled<ResultOf<"monitorFleet">> {
    const all = this.#fleet.existing();
    const samples = all.flatMap(([vmId]) => this.#samples.vms.get(vmId) ?? []);
    const { starts } = this.#fleet;
    return {
      ok: true,
      result: {
        utilisation: utilisationOf(this.#fleet.openLedgers().map(([, ledger]) => ledger)),
        fairness: this.#fleet.fairness(all),
        health: this.#fleet.meanHealth(all),
        vms: this.#fleet.byState(all),
        divisions: samples.reduce((sum, sample) => sum + sample.divisions, 0),
        samples: samples.slice(0, limit),
        impaired: this.#fleet.impairments(all),
        waits: this.#fleet.waits(all),
        starts: {
          count: starts.count,
          p50Ms: starts.quantileMs(0.5),
          p95Ms: starts.quantileMs(0.95),
          p99Ms: starts.quantileMs(0.99),
          buckets: starts.cumulative(),
        },
        telemetry: this.#samples.lossOfAll(),
        services: this.#samples.servicesNow(),
      },
    };
  }
}
