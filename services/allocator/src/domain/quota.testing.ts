/**
 * Ledgers, events and commands for the tests of quotas. The label of the quota is `team`, and every VM carries it.
 */
import { type Ledger, ledgerFold, type QuotaEvent } from "@bioxen/contracts";
import type { Amounts } from "@bioxen/kernel";
import type { ChargeRequest, KnownWorld, QuotaCommand } from "./quota.ts";

export interface Account {
  /** Sequence of the ledger's last event. */
  readonly seq: number;
  /** Ribosomes that each VM holds, by VM id. */
  readonly held?: Readonly<Record<string, number>>;
}

/**
 * Returns ledgers with the given accounts, by chassis id. All other ledgers have no event. Every VM carries the quota's
 * label.
 */
export function ledgersOf(accounts: Readonly<Record<string, Account>>, incarnation = 1): KnownWorld {
  const known = Object.entries(accounts).map(([chassisId, { seq, held = {} }]) => {
    const entries = Object.entries(held).map(([vmId, ribosomes]) => ({
      vmId,
      incarnation,
      fence: 1,
      reservedBy: "e",
      amounts: { ribosomes },
      amountsSeq: 1,
      phase: "committed" as const,
      expiresAtMs: null,
    }));
    const byVm = Object.fromEntries(entries.map((entry) => [entry.vmId, entry]));
    const ledger: Ledger = { ...ledgerFold.initial, open: true, entries: byVm };
    return [chassisId, { ledger, lastSeq: seq }] as const;
  });
  const byChassis = new Map(known);
  return {
    ledger: (chassisId) => byChassis.get(chassisId) ?? { ledger: ledgerFold.initial, lastSeq: 0 },
    holders: () =>
      known.flatMap(([chassisId, { ledger }]) =>
        Object.values(ledger.entries).map(({ vmId }) => ({ vmId, incarnation, chassisId })),
      ),
  };
}

export const EMPTY = ledgersOf({});

export const set = (resources: Amounts): QuotaEvent => ({
  type: "bioxen.quota.set.v1",
  data: { label: "team", resources },
});
export const ENFORCED: QuotaEvent = { type: "bioxen.quota.enforced.v1", data: { charges: [] } };
export const charged = (
  chassisId: string,
  ledgerSeq: number,
  vmId: string,
  ribosomes: number,
): QuotaEvent => ({
  type: "bioxen.quota.charged.v1",
  data: { chassisId, ledgerSeq, charges: [{ vmId, incarnation: 1, amounts: { ribosomes } }] },
});
export const settled = (chassisId: string, vmId: string, ribosomes: number | null): QuotaEvent => {
  const amounts = ribosomes === null ? null : { ribosomes };
  return { type: "bioxen.quota.settled.v1", data: { charges: [{ vmId, chassisId, amounts }] } };
};

export const requestOf = (vmId: string, amounts: Amounts, incarnation = 1): ChargeRequest => ({
  vmId,
  incarnation,
  amounts,
});
/** A charge for the present state of the ledger. */
export const charge = (
  chassisId: string,
  vmId: string,
  ribosomes: number,
  ledgers = EMPTY,
  incarnation = 1,
): QuotaCommand => ({
  type: "charge",
  chassisId,
  ledgerSeq: ledgers.ledger(chassisId).lastSeq,
  requests: [requestOf(vmId, { ribosomes }, incarnation)],
  ledgers,
});
export const settle = (ledgers: KnownWorld): QuotaCommand => ({ type: "settle", ledgers });
export const enforce = (world: KnownWorld): QuotaCommand => ({ type: "enforce", world });
