/**
 * Measurements of the fleet for Prometheus.
 */
import {
  isCellSample,
  type MeasuredValue,
  type Measurement,
  type MetricName,
  VM_STATES,
} from "@bioxen/contracts";
import type { Clock } from "@bioxen/kernel";
import { growthPermille } from "../domain/health.ts";
import { utilisationOf } from "../domain/utilisation.ts";
import type { Alerts } from "./alerts.ts";
import type { Fleet } from "./fleet.ts";
import type { Samples } from "./samples.ts";

/**
 * Maximum number of VMs in `/metrics/vms`: the first VMs in order of id. A scrape with more VMs would take seconds to
 * write and to store.
 */
const MAX_VM_SERIES = 5_000;
const MS_PER_S = 1_000;

const single = (metric: MetricName, value: number | null, labels?: Record<string, string>): Measurement => ({
  metric,
  values: value === null ? [] : [labels === undefined ? { value } : { value, labels }],
});

function byLabel(metric: MetricName, label: string, values: Readonly<Record<string, number>>): Measurement {
  return {
    metric,
    values: Object.entries(values).map(([name, value]) => ({ value, labels: { [label]: name } })),
  };
}

export function fleetMeasurements(
  fleet: Fleet,
  samples: Samples,
  alerts: Alerts,
  clock: Clock,
): Measurement[] {
  const all = fleet.existing();
  const health = fleet.meanHealth(all);
  const growths = all.flatMap(([vmId, vm]) => {
    const sample = samples.vms.get(vmId);
    return sample === undefined || vm.state !== "running" ? [] : (growthPermille(vm, sample) ?? []);
  });
  const states = Object.fromEntries(VM_STATES.filter((s) => s !== "destroyed").map((state) => [state, 0]));
  return [
    byLabel("bioxen_vms", "state", { ...states, ...fleet.byState(all) }),
    byLabel("bioxen_vms_impaired", "reason", fleet.impairments(all)),
    single("bioxen_vm_growth_lowest_ratio", growths.length === 0 ? null : Math.min(...growths) / 1_000),
    single("bioxen_vm_pending_oldest_seconds", fleet.waits(all).oldestMs / MS_PER_S),
    startDurations(fleet),
    single("bioxen_fleet_health_ratio", health === null ? null : health / 100),
    single("bioxen_fleet_fairness_ratio", fleet.fairness(all)),
    ...chassisMeasurements(fleet, samples, clock.nowMs()),
    byLabel("bioxen_alerts_active", "severity", alerts.activeBySeverity()),
    webhookDeliveries(alerts),
  ];
}

function webhookDeliveries({ deliveryCounts }: Alerts): Measurement {
  const values = [...deliveryCounts].flatMap(([webhook, counts]) =>
    Object.entries(counts).map(([result, value]) => ({ value, labels: { webhook, result } })),
  );
  return { metric: "bioxen_webhook_deliveries_total", values };
}

function startDurations({ starts }: Fleet): Measurement {
  const buckets = starts
    .cumulative()
    .map(({ le, count }): MeasuredValue => ({ series: "bucket", labels: { le }, value: count }));
  const sum: MeasuredValue = { series: "sum", value: starts.sumMs / MS_PER_S };
  const count: MeasuredValue = { series: "count", value: starts.count };
  return { metric: "bioxen_vm_start_duration_seconds", values: [...buckets, sum, count] };
}

function chassisMeasurements(fleet: Fleet, samples: Samples, nowMs: number): Measurement[] {
  const offered: MeasuredValue[] = [];
  const reserved: MeasuredValue[] = [];
  for (const [chassis, ledger] of fleet.openLedgers()) {
    for (const [resource, use] of Object.entries(utilisationOf([ledger]))) {
      offered.push({ value: use.offered, labels: { chassis, resource } });
      reserved.push({ value: use.reserved, labels: { chassis, resource } });
    }
  }
  const ids = [...fleet.chassis.entries()]
    .flatMap(([id, chassis]) => (chassis.registered ? [id] : []))
    .sort();
  const ofEach = (metric: MetricName, of: (chassis: string) => number | undefined): Measurement => ({
    metric,
    values: ids.flatMap((chassis) => {
      const value = of(chassis);
      return value === undefined ? [] : [{ value, labels: { chassis } }];
    }),
  });
  const ageS = (chassis: string) => {
    const ageMs = samples.chassis.ageMs(chassis, nowMs);
    return ageMs === undefined ? undefined : ageMs / MS_PER_S;
  };
  return [
    { metric: "bioxen_chassis_offered", values: offered },
    { metric: "bioxen_chassis_reserved", values: reserved },
    ofEach("bioxen_chassis_guests", (chassis) => samples.chassis.get(chassis)?.guests),
    ofEach("bioxen_chassis_heartbeat_age_seconds", ageS),
    ofEach("bioxen_chassis_rivals", (chassis) => samples.rivals.of(chassis, nowMs)),
    ofEach("bioxen_chassis_orphans", (chassis) => samples.chassis.get(chassis)?.orphans),
    ofEach("bioxen_chassis_left_behind", (chassis) => samples.chassis.get(chassis)?.leftBehind),
    ofEach("bioxen_telemetry_samples_received_total", (chassis) => samples.lossOf(chassis).received),
    ofEach("bioxen_telemetry_samples_lost_total", (chassis) => samples.lossOf(chassis).lostTotal),
  ];
}

export function vmMeasurements(fleet: Fleet, samples: Samples): Measurement[] {
  const growth: MeasuredValue[] = [];
  const health: MeasuredValue[] = [];
  const lag: MeasuredValue[] = [];
  for (const [vm, state] of fleet.existing().slice(0, MAX_VM_SERIES)) {
    const sample = samples.vms.get(vm);
    const assessed = fleet.healthOf(vm, state);
    if (sample === undefined || assessed === undefined) continue;
    const permille = growthPermille(state, sample);
    const labels = { vm, type: state.biologicalType, chassis: sample.chassisId };
    if (permille !== null) growth.push({ value: permille / 1_000, labels });
    if (assessed.health !== null) health.push({ value: assessed.health / 100, labels });
    if (isCellSample(sample)) lag.push({ value: sample.lagMs / MS_PER_S, labels });
  }
  return [
    { metric: "bioxen_vm_growth_ratio", values: growth },
    { metric: "bioxen_vm_health_ratio", values: health },
    { metric: "bioxen_vm_lag_seconds", values: lag },
  ];
}
