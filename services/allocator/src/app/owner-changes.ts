/**
 * The VMs whose charges may belong to another quota, because the VM has another owner than when it was charged.
 *
 * Level-triggered: an entry of a ledger, or a charge for one, is compared with the present owner of its VM when the owner,
 * the entry or the charge changes, and all of them when this instance begins to act. A charge also changes by an instance
 * that acted before and did not know the present owner yet: its append can arrive late.
 */
import { chargeKey, type Ledger, ownerOfQuota, type QuotaState, type VmState } from "@bioxen/contracts";
import type { Aggregates, ReadModel } from "@bioxen/kernel";
import type { OwnedHolding } from "../domain/quota.ts";

export interface OwnerChangesWorld {
  readonly quotas: Aggregates<QuotaState>;
  readonly ledgers: Aggregates<Ledger>;
  readonly vms: Pick<ReadModel<VmState>, "get">;
}

/** The entry of one VM in the ledger of a chassis. */
type Entry = Pick<OwnedHolding, "vmId" | "incarnation" | "chassisId">;
export type EntryName = Pick<Entry, "vmId" | "chassisId">;

export class OwnerChanges {
  readonly #world: OwnerChangesWorld;
  /** By quota id: the entries to compare, by the key of their charge. */
  readonly #noted = new Map<string, Map<string, EntryName>>();

  constructor(world: OwnerChangesWorld) {
    this.#world = world;
  }

  /** Notes an entry that has changed, or whose VM has another owner. Returns the ids of the quotas to correct. */
  note(name: EntryName): string[] {
    const entry = this.#entryOf(name);
    if (entry === undefined) return [];
    return [...this.#world.quotas.ids()].filter((quotaId) => this.#noteIn(quotaId, entry));
  }

  /** Notes entries whose charge in this quota has changed. */
  noteCharges(quotaId: string, names: readonly EntryName[]): void {
    for (const name of names) {
      const entry = this.#entryOf(name);
      if (entry !== undefined) this.#noteIn(quotaId, entry);
    }
  }

  /** Notes the entries of a VM in all ledgers: for a change of its owner, which is rare. */
  noteVm(vmId: string): string[] {
    return [...this.#world.ledgers.ids()].flatMap((chassisId) => this.note({ vmId, chassisId }));
  }

  /** Notes every entry of every ledger. */
  noteAll(): void {
    for (const [chassisId, { state }] of this.#world.ledgers.entries()) {
      for (const vmId of Object.keys(state.entries)) this.note({ vmId, chassisId });
    }
  }

  /** Returns the noted entries of a quota that are not charged as they should be, and forgets the others. */
  holdings(quotaId: string): readonly OwnedHolding[] {
    const { state } = this.#world.quotas.get(quotaId);
    const noted = this.#noted.get(quotaId) ?? new Map<string, EntryName>();
    const out: OwnedHolding[] = [];
    for (const [key, name] of noted) {
      const entry = this.#entryOf(name);
      const wrong = entry && this.#wrongIn(state, entry);
      if (wrong === undefined) noted.delete(key);
      else out.push(wrong);
    }
    if (noted.size === 0) this.#noted.delete(quotaId);
    return out;
  }

  /** Notes the entry if this quota charges it wrongly; returns whether it does. */
  #noteIn(quotaId: string, entry: Entry): boolean {
    if (this.#wrongIn(this.#world.quotas.get(quotaId).state, entry) === undefined) return false;
    const { vmId, chassisId } = entry;
    const noted = this.#noted.get(quotaId) ?? new Map<string, EntryName>();
    this.#noted.set(quotaId, noted.set(chargeKey(vmId, chassisId), { vmId, chassisId }));
    return true;
  }

  /** Returns the entry if it is of the incarnation that this instance knows: another one may have another owner. */
  #entryOf({ vmId, chassisId }: EntryName): Entry | undefined {
    const vm = this.#world.vms.get(vmId);
    if (!vm.exists) return undefined;
    const { incarnation } = vm;
    const { state } = this.#world.ledgers.get(chassisId);
    return state.entries[vmId]?.incarnation === incarnation ? { vmId, incarnation, chassisId } : undefined;
  }

  /**
   * Returns the entry if the quota of an owner charges it for a VM of another owner, or does not charge it for one of its
   * own. The charge for an ended entry is settled in any case.
   */
  #wrongIn(quota: QuotaState, entry: Entry): OwnedHolding | undefined {
    const owner = quota.exists ? ownerOfQuota(quota.label) : undefined;
    if (!quota.exists || owner === undefined) return undefined;
    const vm = this.#world.vms.get(entry.vmId);
    const isOwn = vm.exists && vm.owner === owner;
    const isCharged = quota.charges[chargeKey(entry.vmId, entry.chassisId)] !== undefined;
    return isOwn === isCharged ? undefined : { ...entry, isOwn };
  }
}
