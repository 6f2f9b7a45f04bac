/**
 * What `bioxen top` shows of a moment: every VM with its latest measurement, every chassis with its account.
 */
import type { ChassisView, LedgerView, ResultOf, VmSample, VmView } from "@bioxen/contracts";
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

export interface TopPicture {
  readonly atMs: number;
  readonly fleet: Omit<ResultOf<"monitorFleet">, "samples">;
  readonly vms: readonly TopVm[];
  readonly chassis: readonly TopChassis[];
}

export async function takePicture(session: Session): Promise<TopPicture> {
  const [vms, fleet, { chassis }, { ledgers }] = await Promise.all([
    session.allVms(),
    session.ask("monitorFleet", {}),
    session.ask("chassisList", {}),
    session.ask("ledgerList", {}),
  ]);
  const { samples, ok: _, ...summary } = fleet as typeof fleet & { readonly ok: true };
  const sampleOf = new Map(samples.map((sample) => [sample.vmId, sample]));
  const ledgerOf = new Map(ledgers.map((ledger) => [ledger.chassisId, ledger]));
  return {
    atMs: Date.now(),
    fleet: summary,
    vms: vms.map((vm) => ({ vm, sample: sampleOf.get(vm.vmId) ?? null })),
    chassis: chassis.map((one) => ({ chassis: one, ledger: ledgerOf.get(one.chassisId) ?? null })),
  };
}
