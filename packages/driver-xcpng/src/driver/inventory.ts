/** The driver's copy of the pool's VM records by XAPI reference, with an index of this agent's own VMs by VM id. */
import type { GuestStatus, KeptGuest, KeptSnapshot, Orphan } from "@bioxen/vm-driver";
import type { VmRecord } from "../xapi/records.ts";
import type { Ownership } from "./ownership.ts";
import { isAwaited, type PoolRestart, PoolRestarts } from "./pool-restarts.ts";
import { hasRun, isHalfRestored, snapshotOf, type Tags, unfinishedClone } from "./tags.ts";

/** A VM of the pool that belongs to this agent. */
export interface OwnVm {
  readonly ref: string;
  readonly record: VmRecord;
  readonly tags: Tags;
  /** The restart by the pool's high availability that the halted machine waits for. */
  readonly restart?: PoolRestart | undefined;
}

/** A clone whose making is in progress, or was interrupted by a crash. */
export interface UnfinishedClone {
  readonly ref: string;
  readonly vmId: string;
  readonly fence: number;
}

const HALTED_OUTSIDE = "it was halted, and not by BioXen";

export class Inventory {
  /** Restarts by the pool's high availability. */
  readonly restarts = new PoolRestarts();
  readonly #ownership: Ownership;
  readonly #records = new Map<string, VmRecord>();
  readonly #own = new Map<string, OwnVm>();
  /** The references of each VM's snapshots; the key is the VM's reference. */
  readonly #snapshots = new Map<string, Set<string>>();

  constructor(ownership: Ownership) {
    this.#ownership = ownership;
  }

  replaceAll(records: Readonly<Record<string, VmRecord>>): void {
    const before = new Map(this.#records);
    this.#records.clear();
    this.#own.clear();
    this.#snapshots.clear();
    for (const [ref, record] of Object.entries(records)) this.#put(ref, record, before.get(ref));
    for (const ref of before.keys()) if (!this.#records.has(ref)) this.restarts.forget(ref);
  }

  put(ref: string, record: VmRecord): void {
    this.#put(ref, record, this.#records.get(ref));
  }

  #put(ref: string, record: VmRecord, before: VmRecord | undefined): void {
    this.#drop(ref);
    this.restarts.note(ref, before, record);
    this.#records.set(ref, record);
    const { snapshot_of } = record;
    this.#snapshots.set(snapshot_of, (this.#snapshots.get(snapshot_of) ?? new Set()).add(ref));
    const tags = this.#ownership.tagsOf(record);
    if (tags === undefined) return;
    const known = this.#own.get(tags.vmId);
    // A pool restored from a backup can hold two VMs of one id: the newer one counts.
    if (known === undefined || isNewer(tags, known.tags)) {
      this.#own.set(tags.vmId, { ref, record, tags, restart: this.restarts.of(ref) });
    }
  }

  /** Notes what the machine of a known VM has in xenstore now. */
  noteXenstore(ref: string, data: VmRecord["xenstore_data"]): void {
    const record = this.#records.get(ref);
    if (record !== undefined) this.put(ref, { ...record, xenstore_data: data });
  }

  remove(ref: string): void {
    this.#drop(ref);
    this.restarts.forget(ref);
  }

  #drop(ref: string): void {
    const own = this.ownByRef(ref);
    const original = this.#records.get(ref)?.snapshot_of;
    const siblings = original === undefined ? undefined : this.#snapshots.get(original);
    siblings?.delete(ref);
    if (siblings?.size === 0) this.#snapshots.delete(original as string);
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

  /** Returns the own VM with this reference, even if it is an older duplicate that {@link own} does not return. */
  ownByRef(ref: string): OwnVm | undefined {
    const record = this.#records.get(ref);
    const tags = record === undefined ? undefined : this.#ownership.tagsOf(record);
    if (record === undefined || tags === undefined) return undefined;
    return { ref, record, tags, restart: this.restarts.of(ref) };
  }

  /** Returns every VM of this agent, sorted by VM id. */
  allOwn(): readonly OwnVm[] {
    return [...this.#own.values()].sort((a, b) => (a.tags.vmId < b.tags.vmId ? -1 : 1));
  }

  /** Returns the snapshots that this agent took of its present VMs, each snapshot with its XAPI reference. */
  snapshots(): readonly (KeptSnapshot & { readonly ref: string })[] {
    return [...this.#own.keys()].flatMap((vmId) => this.snapshotsOf(vmId));
  }

  /** Returns the snapshots that this agent took of one VM. */
  snapshotsOf(vmId: string): readonly (KeptSnapshot & { readonly ref: string })[] {
    const own = this.#own.get(vmId);
    const refs = own === undefined ? undefined : this.#snapshots.get(own.ref);
    return [...(refs ?? [])].flatMap((ref) => {
      const record = this.#records.get(ref);
      const snapshot = record && snapshotOf(record, this.#ownership.owner);
      return snapshot?.vmId === vmId ? { ...snapshot, ref } : [];
    });
  }

  /** Returns this agent's clones that lack BioXen's `other_config` keys (see `tags.ts`). */
  unfinishedClones(): readonly UnfinishedClone[] {
    return [...this.#records].flatMap(([ref, record]) => {
      const clone = unfinishedClone(record, this.#ownership.owner);
      return clone === undefined ? [] : [{ ref, ...clone }];
    });
  }
}

function isNewer(a: Tags, b: Tags): boolean {
  return a.incarnation === b.incarnation ? a.fence > b.fence : a.incarnation > b.incarnation;
}

/** Returns the power state in the words of the driver port. */
export function powerStateOf({ power_state }: VmRecord): Orphan["state"] {
  switch (power_state) {
    case "Running":
      return "running";
    case "Halted":
      return "halted";
    case "Paused":
    case "Suspended":
      return "paused";
  }
}

/** Returns the status of the guest in the VM; undefined when the VM has no guest and only waits for the next start. */
export function guestOf({ record, tags, restart }: OwnVm): GuestStatus | undefined {
  const { vmId, fence, restores } = tags;
  if (record.is_a_template || isHalfRestored(record, tags)) return undefined;
  switch (record.power_state) {
    case "Running":
      return { vmId, fence, restores, state: "running" };
    case "Paused":
    case "Suspended":
      return { vmId, fence, restores, state: "paused" };
    case "Halted":
      if (!hasRun(record, fence)) return undefined;
      return isAwaited(restart)
        ? { vmId, fence, restores, state: "running" }
        : { vmId, fence, restores, state: "failed", reason: HALTED_OUTSIDE };
  }
}

/** Returns the identity of the stopped guest whose disks the VM keeps; undefined while the VM holds a guest. */
export function keptOf(vm: OwnVm): KeptGuest | undefined {
  if (guestOf(vm) !== undefined) return undefined;
  const { vmId, incarnation, fence } = vm.tags;
  return { vmId, incarnation, fence };
}

/** Returns whether two records of a VM are equal in every field that the driver uses. */
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
      [...r.tags].sort(),
      r.snapshots,
    ]);
  return relevant(a) === relevant(b);
}
