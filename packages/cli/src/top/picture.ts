/**
 * What `bioxen top` shows of a moment: every VM with its latest measurement, every chassis with its account, what is wrong.
 */
import type { ActiveAlertView, ChassisView, LedgerView, ResultOf, VmSample, VmView } from "@bioxen/contracts";
import type { Session } from "../session.ts";

export interface TopVm {
  readonly vm: VmView;
  /** null: nothing was measured yet. */
  readonly sample: VmSample | null;
}

export interface TopChassis {
  readonly chassis: ChassisView;
  /** null: its account is not open yet. */
  readonly ledger: LedgerView | null;
}

/** Alerts asked for: more than a terminal has lines for them. */
const MOST_ALERTS = 50;

export interface TopPicture {
  readonly atMs: number;
  readonly fleet: Omit<ResultOf<"monitorFleet">, "samples">;
  readonly vms: readonly TopVm[];
  readonly chassis: readonly TopChassis[];
  /** The worst first, of equally bad ones the oldest; at most {@link MOST_ALERTS}. */
  readonly alerts: readonly ActiveAlertView[];
  readonly alertsTotal: number;
}

const SEVERITY_ORDER = ["critical", "warning", "info"];

export async function takePicture(session: Session): Promise<TopPicture> {
  const [vms, fleet, { chassis }, { ledgers }, { active, activeTotal }] = await Promise.all([
    session.listAllVms(),
    session.ask("monitorFleet", {}),
    session.ask("chassisList", {}),
    session.ask("ledgerList", {}),
    session.ask("alertList", { limit: MOST_ALERTS }),
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
