/**
 * Charges what a ledger is about to give away against every quota its VMs fall under. The quota's own stream decides among
 * allocators that work on different ledgers at the same moment.
 */
import {
  eventSubject,
  type Ledger,
  type Misfit,
  type QuotaState,
  quotaIdOf,
  quotaLabelsOf,
  type VmState,
} from "@bioxen/contracts";
import type { Aggregates, Causation, EventLog, ReadModel, StoredEvent } from "@bioxen/kernel";
import {
  type ChargeRequest,
  decideCharge,
  isOutdated,
  type KnownLedgers,
  partitionByQuota,
  type QuotaPartition,
} from "../domain/quota.ts";

export interface QuotaChargesPorts {
  readonly quotas: Aggregates<QuotaState>;
  readonly ledgers: Aggregates<Ledger>;
  readonly vms: ReadModel<VmState>;
  readonly log: EventLog;
}

export interface Charged {
  /** By VM: what it may not take, and why. Whoever is not here is charged in all its quotas, or is under none. */
  readonly refused: ReadonlyMap<string, Misfit>;
  /** The newest event of a quota this rests on, 0 when there is none. */
  readonly seq: number;
}

export class QuotaCharges {
  readonly #ports: QuotaChargesPorts;

  constructor(ports: QuotaChargesPorts) {
    this.#ports = ports;
  }

  /** The ledgers as known here. */
  readonly known: KnownLedgers = {
    ledger: (chassisId) => {
      const { state, lastSeq } = this.#ports.ledgers.get(chassisId);
      return { ledger: state, lastSeq };
    },
  };

  /**
   * Charges `requests` for one append on the ledger's state `ledgerSeq`. "outdated": that ledger has moved on meanwhile. What is
   * charged and not used in the end is given back by the process (`quota-process.ts`).
   */
  async charge(
    causation: Causation,
    chassisId: string,
    ledgerSeq: number,
    requests: readonly ChargeRequest[],
  ): Promise<Charged | "outdated"> {
    const refused = new Map<string, Misfit>();
    let seq = 0;
    for (const [quotaId, all] of await this.#perQuota(requests)) {
      const some = all.filter(({ vmId }) => !refused.has(vmId));
      if (some.length === 0) continue;
      const judged: { outcome: QuotaPartition | "outdated" } = { outcome: "outdated" };
      // One command may charge again, on a newer state of its ledger: that is no repetition.
      await this.#ports.quotas.execute(quotaId, { ...causation, deduplicate: false }, (quota) => {
        const isLate = !quota.exists || isOutdated(quota, this.known, chassisId, ledgerSeq, some);
        judged.outcome = isLate
          ? "outdated"
          : partitionByQuota(quota, this.known, chassisId, ledgerSeq, some);
        return decideCharge(quota, this.known, chassisId, ledgerSeq, some);
      });
      if (judged.outcome === "outdated") return "outdated";
      for (const { vmId, misfit } of judged.outcome.refused) refused.set(vmId, misfit);
      seq = Math.max(seq, this.#ports.quotas.get(quotaId).lastSeq);
    }
    return { refused, seq };
  }

  /** In order of quota, the same for everybody, so that two who need the same two meet at the first. */
  async #perQuota(requests: readonly ChargeRequest[]): Promise<[string, ChargeRequest[]][]> {
    const perQuota = new Map<string, ChargeRequest[]>();
    for (const one of this.#anyQuota() ? requests : []) {
      for (const label of quotaLabelsOf(await this.labelsOf(one.vmId, one.incarnation))) {
        const id = this.#quotaFor(label);
        if (id === undefined) continue;
        perQuota.set(id, [...(perQuota.get(id) ?? []), one]);
      }
    }
    return [...perQuota].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  #anyQuota(): boolean {
    return this.#ports.quotas.ids().next().done !== true;
  }

  #quotaFor(label: string): string | undefined {
    const id = quotaIdOf(label);
    const { state } = this.#ports.quotas.get(id);
    return state.exists && state.label === label ? id : undefined;
  }

  /** Labels are of one life of a VM. One that is not known here, not yet or not any more, is looked up in the log. */
  async labelsOf(vmId: string, incarnation: number): Promise<Labels> {
    const vm = this.#ports.vms.get(vmId);
    if (vm.exists && vm.incarnation === incarnation) return vm.labels;
    const events = await this.#ports.log.read(eventSubject("vm", vmId), 0);
    return events.map(createdWith).findLast((life) => life?.incarnation === incarnation)?.labels ?? {};
  }
}

type Labels = Readonly<Record<string, string>>;

function createdWith({ envelope }: StoredEvent) {
  if (envelope.type !== "bioxen.vm.created.v1") return undefined;
  return envelope.data as { readonly incarnation: number; readonly labels: Labels };
}
