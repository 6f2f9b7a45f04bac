/**
 * Charges the quotas of the VMs for which a ledger is about to reserve or grow. The stream of each quota orders the
 * charges of allocators that work on different ledgers at the same moment.
 */
import {
  eventSubject,
  type Ledger,
  type Misfit,
  type QuotaState,
  quotaIdOf,
  quotaLabelsOf,
  type Vm,
  type VmState,
  vmFold,
} from "@bioxen/contracts";
import {
  type Aggregates,
  type Causation,
  type EventLog,
  invariant,
  positionOf,
  type ReadModel,
} from "@bioxen/kernel";
import {
  type Charge,
  type ChargeRequest,
  isCharged,
  isOutdated,
  type KnownLedgers,
  partitionByQuota,
  quotaDecider,
} from "../domain/quota.ts";

export interface QuotaChargesPorts {
  readonly quotas: Aggregates<QuotaState>;
  readonly ledgers: Aggregates<Ledger>;
  readonly vms: ReadModel<VmState>;
  readonly log: EventLog;
}

export interface Charged {
  /** The reasons of the quotas' refusals, by VM id. Every other VM is charged in all of its quotas, or has no quota. */
  readonly refused: ReadonlyMap<string, Misfit>;
  /** Sequence of the newest quota event on which the result is based; 0 when no quota was involved. */
  readonly seq: number;
}

export class QuotaCharges {
  readonly #ports: QuotaChargesPorts;

  constructor(ports: QuotaChargesPorts) {
    this.#ports = ports;
  }

  /** Returns a ledger in the newest state that this instance knows. */
  readonly known: KnownLedgers = {
    ledger: (chassisId) => {
      const { state, lastSeq } = this.#ports.ledgers.get(chassisId);
      return { ledger: state, lastSeq };
    },
  };

  /**
   * Charges the requests for one append to the ledger in its state after `ledgerSeq`. Returns "outdated" when the
   * command must start again, mostly because the ledger has a newer event by then. `quota-process.ts` gives back a
   * charge that is not used.
   */
  async charge(
    causation: Causation,
    { chassisId, ledgerSeq, requests }: Charge,
  ): Promise<Charged | "outdated"> {
    const { quotas } = this.#ports;
    const refused = new Map<string, Misfit>();
    let seq = 0;
    for (const [quotaId, all] of await this.#perQuota(requests)) {
      const charge = { chassisId, ledgerSeq, requests: all.filter(({ vmId }) => !refused.has(vmId)) };
      if (charge.requests.length === 0) continue;
      // Not deduplicated: one command may charge the same quota several times, each time for a newer state of its
      // ledger.
      const executed = await quotas.execute(quotaId, { ...causation, deduplicate: false }, (quota) =>
        quotaDecider.decide(quota, { type: "charge", ledgers: this.known, ...charge }),
      );
      invariant(executed.ok, "a quota refuses single VMs, never a whole charge", { quotaId });
      const { state, lastSeq } = executed.current;
      if (!state.exists || isOutdated(state, this.known, charge)) return "outdated";
      const missing = charge.requests.filter((request) => !isCharged(state, charge, request));
      const partition = partitionByQuota(state, this.known, { ...charge, requests: missing });
      // A VM's new charge can be smaller than its former one, which makes room under the quota for another VM. The
      // command then starts again and decides on the charges of all its VMs.
      if (partition.charged.length > 0) return "outdated";
      for (const { vmId, misfit } of partition.refused) refused.set(vmId, misfit);
      seq = Math.max(seq, lastSeq);
    }
    return { refused, seq };
  }

  /**
   * Groups the requests by quota, in the order of quota ids. Because of this order, two charges that share two quotas
   * contend at the same quota first, so that one of them gets both quotas.
   */
  async #perQuota(requests: readonly ChargeRequest[]): Promise<[string, ChargeRequest[]][]> {
    const perQuota = new Map<string, ChargeRequest[]>();
    for (const one of this.#anyQuota() ? requests : []) {
      for (const label of await this.quotaLabelsOf(one.vmId, one.incarnation)) {
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

  /**
   * Returns the labels of the quotas that can apply to one incarnation of a VM. Its state is read from the log if the
   * read model does not have the incarnation yet or has a later one.
   */
  async quotaLabelsOf(vmId: string, incarnation: number): Promise<readonly string[]> {
    const known = this.#ports.vms.get(vmId);
    const vm = isIncarnation(known, incarnation) ? known : await this.#logged(vmId, incarnation);
    return vm === undefined ? [] : quotaLabelsOf(vm.labels, vm.owner);
  }

  /** Returns the last state of the incarnation in the log; undefined without one. */
  async #logged(vmId: string, incarnation: number): Promise<Vm | undefined> {
    let [state, found]: [VmState, Vm | undefined] = [vmFold.initial, undefined];
    for (const event of await this.#ports.log.read(eventSubject("vm", vmId), 0)) {
      state = vmFold.evolve(state, event.envelope, positionOf(event));
      if (isIncarnation(state, incarnation)) found = state;
    }
    return found;
  }
}

function isIncarnation(vm: VmState, incarnation: number): vm is Vm {
  return vm.exists && vm.incarnation === incarnation;
}
