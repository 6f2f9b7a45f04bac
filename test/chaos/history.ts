/**
 * An independent reading of the log: verified, folded, and indexed by cause.
 */
import {
  type ChassisState,
  chassisFold,
  type Ledger,
  type LedgerView,
  ledgerFold,
  type VmState,
  type VmView,
  viewOfLedger,
  viewOfVm,
  vmFold,
  walkLog,
} from "@bioxen/contracts";
import { ReadModel, type StoredEvent } from "@bioxen/kernel";
import { LogVerifier, type VerifierReport } from "@bioxen/log-verifier";
import { Session } from "../../packages/cli/src/session.ts";
import type { Effect } from "./checks.ts";

export interface History {
  readonly report: VerifierReport;
  /** Events by their cause. */
  readonly effects: ReadonlyMap<string, readonly Effect[]>;
  /** VMs that are not destroyed, in order of id. */
  readonly vms: readonly VmView[];
  readonly ledgers: readonly LedgerView[];
  /** Registered chassis in order of id, with their versions. */
  readonly chassis: readonly { readonly chassisId: string; readonly version: number }[];
}

export async function readHistory(url: string): Promise<History> {
  const verifier = new LogVerifier();
  const effects = new Map<string, Effect[]>();
  const vms = new ReadModel<VmState>("vm", vmFold);
  const ledgers = new ReadModel<Ledger>("ledger", ledgerFold);
  const chassis = new ReadModel<ChassisState>("chassis", chassisFold);
  const session = await Session.open({ server: url });
  try {
    const cause = await walkLog(
      await session.eventLog(),
      (event: StoredEvent) => {
        verifier.observe(event);
        const { causationid, subject, aggregateversion } = event.envelope;
        const effect = { seq: event.seq, subject, version: aggregateversion };
        const caused = effects.get(causationid);
        if (caused === undefined) effects.set(causationid, [effect]);
        else caused.push(effect);
        for (const model of [vms, ledgers, chassis]) {
          if (subject.startsWith(`${model.kind}/`)) model.apply(event);
        }
      },
      { stallMs: session.timeoutMs, onUnreadable: (message) => verifier.unreadable(message) },
    );
    if (cause !== undefined) throw cause;
  } finally {
    await session.close();
  }
  return {
    report: verifier.report(),
    effects,
    vms: sorted(vms).flatMap(([id, vm]) => (vm.exists && vm.state !== "destroyed" ? [viewOfVm(id, vm)] : [])),
    ledgers: sorted(ledgers).flatMap(([id, l]) => (l.open ? [viewOfLedger(id, l)] : [])),
    chassis: sorted(chassis).flatMap(([chassisId, c]) =>
      c.registered ? [{ chassisId, version: c.version }] : [],
    ),
  };
}

function sorted<State>(model: ReadModel<State>): [string, State][] {
  return [...model.entries()].sort(([a], [b]) => (a < b ? -1 : 1));
}
