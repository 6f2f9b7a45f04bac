/**
 * The data of one frame of `bioxen top`: every VM with its latest sample, every chassis with its ledger, and the raised
 * alerts.
 */
import type { ActiveAlertView, ChassisView, LedgerView, ResultOf, VmSample, VmView } from "@bioxen/contracts";
import type { Session } from "../session.ts";

export interface TopVm {
  readonly vm: VmView;
  /** Latest sample; null before the first one. */
  readonly sample: VmSample | null;
}

export interface TopChassis {
  readonly chassis: ChassisView;
  /** Ledger of the chassis; null until it is open. */
  readonly ledger: LedgerView | null;
}

/** Maximum number of alerts requested: more than a terminal shows. */
const MAX_ALERTS = 50;

export interface TopPicture {
  readonly atMs: number;
  readonly fleet: Omit<ResultOf<"monitorFleet">, "samples">;
  readonly vms: readonly TopVm[];
  readonly chassis: readonly TopChassis[];
  /** The oldest {@link MAX_ALERTS} raised alerts, sorted by severity, then by age. */
  readonly alerts: readonly ActiveAlertView[];
  readonly alertsTotal: number;
}

const SEVERITY_ORDER = ["critical", "warning", "info"];

/** Queries the services in parallel, and returns the data of one frame. Rejects when one of them does not answer. */
export async function takePicture(session: Session): Promise<TopPicture> {
  const [vms, fleet, { chassis }, { ledgers }, { active, activeTotal }] = await Promise.all([
    session.listAllVms(),
    session.ask("monitorFleet", {}),
    session.ask("chassisList", {}),
    session.ask("ledgerList", {}),
    session.ask("alertList", { limit: MAX_ALERTS }),
  ]);
  const { samples, ok: _, ...summary } = fleet;
  const sampleOf = new Map(samples.map((sample) => [sample.vmId, sample]));
  const ledgerOf = new Map(ledgers.map((ledger) => [ledger.chassisId, ledger]));
  return {
    atMs: Date.now(),
    fleet: summary,
    vms: vms.map((vm) => ({ vm, sample: sampleOf.get(vm.vmId) ?? null })),
    alerts: [...active].sort(
      (a, b) => SEVERITY_ORDER.indexOf(a.severity) - SEVERITY_ORDER.indexOf(b.severity),
    ),
    alertsTotal: activeTotal,
    chassis: chassis.map((one) => ({ chassis: one, ledger: ledgerOf.get(one.chassisId) ?? null })),
  };
}
