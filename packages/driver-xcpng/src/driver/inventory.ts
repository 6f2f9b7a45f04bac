/**
 * What the pool holds, as far as the driver knows: every VM record, by reference, and which of them are ours.
 */
import type { GuestStatus, KeptGuest, KeptSnapshot } from "@bioxen/vm-driver";
import type { VmRecord } from "../xapi/records.ts";
import { hasRun, isHalfMade, snapshotOf, type Tags, tagsOf } from "./tags.ts";

export interface OwnVm {
  readonly ref: string;
  readonly record: VmRecord;
  readonly tags: Tags;
}

const HALTED_OUTSIDE = "it was halted, and not by BioXen";

export class Inventory {
  readonly #owner: string;
  readonly #records = new Map<string, VmRecord>();
  readonly #own = new Map<string, OwnVm>();

  constructor(owner: string) {
    this.#owner = owner;
  }

  replaceAll(records: Readonly<Record<string, VmRecord>>): void {
    this.#records.clear();
    this.#own.clear();
    for (const [ref, record] of Object.entries(records)) this.put(ref, record);
  }

  put(ref: string, record: VmRecord): void {
    this.remove(ref);
    this.#records.set(ref, record);
    const tags = tagsOf(record, this.#owner);
    if (tags === undefined) return;
    const known = this.#own.get(tags.vmId);
    // Two of one id is what a restored backup of a pool can look like: the newer counts.
    if (known === undefined || isNewer(tags, known.tags)) this.#own.set(tags.vmId, { ref, record, tags });
  }

  remove(ref: string): void {
    const own = this.ownByRef(ref);
    this.#records.delete(ref);
    if (own !== undefined && this.#own.get(own.tags.vmId)?.ref === ref) this.#own.delete(own.tags.vmId);
  }

  record(ref: string): VmRecord | undefined {
    return this.#records.get(ref);
  }

  entries(): Iterable<readonly [string, VmRecord]> {
    return this.#records.entries();
  }

  own(vmId: string): OwnVm | undefined {
    return this.#own.get(vmId);
  }

  ownByRef(ref: string): OwnVm | undefined {
    const record = this.#records.get(ref);
    const tags = record === undefined ? undefined : tagsOf(record, this.#owner);
    return record === undefined || tags === undefined ? undefined : { ref, record, tags };
  }

  /** In order of id. */
  allOwn(): readonly OwnVm[] {
    return [...this.#own.values()].sort((a, b) => (a.tags.vmId < b.tags.vmId ? -1 : 1));
  }

  /** Snapshots that we took, with their references. */
  snapshots(): readonly (KeptSnapshot & { readonly ref: string })[] {
    return [...this.#records].flatMap(([ref, record]) => {
      const snapshot = snapshotOf(record, this.#owner);
      return snapshot === undefined || this.#own.get(snapshot.vmId)?.ref !== record.snapshot_of
        ? []
        : { ...snapshot, ref };
    });
  }

  halfMade(): readonly string[] {
    return [...this.#records].filter(([, record]) => isHalfMade(record, this.#owner)).map(([ref]) => ref);
  }
}

function isNewer(a: Tags, b: Tags): boolean {
  return a.incarnation === b.incarnation ? a.fence > b.fence : a.incarnation > b.incarnation;
}

/** The guest in it; undefined when what is here is only kept. */
export function guestOf({ record, tags }: OwnVm): GuestStatus | undefined {
  const { vmId, fence, restores } = tags;
  if (record.is_a_template) return undefined;
  switch (record.power_state) {
    case "Running":
      return { vmId, fence, restores, state: "running" };
    case "Paused":
    case "Suspended":
      return { vmId, fence, restores, state: "paused" };
    case "Halted":
      return hasRun(record, fence)
        ? { vmId, fence, restores, state: "failed", reason: HALTED_OUTSIDE }
        : undefined;
  }
}

export function keptOf(vm: OwnVm): KeptGuest | undefined {
  if (guestOf(vm) !== undefined) return undefined;
  const { vmId, incarnation, fence } = vm.tags;
  return { vmId, incarnation, fence };
}

/** What of a record can make a difference to us. */
export function isSame(a: VmRecord, b: VmRecord): boolean {
  const relevant = (r: VmRecord) =>
    JSON.stringify([
      r.power_state,
      r.is_a_template,
      r.name_label,
      r.resident_on,
      r.guest_metrics,
      [r.memory_static_max, r.memory_dynamic_max, r.memory_dynamic_min, r.VCPUs_max, r.VCPUs_at_startup],
      Object.entries(r.other_config).sort(),
      r.snapshots,
    ]);
  return relevant(a) === relevant(b);
}
