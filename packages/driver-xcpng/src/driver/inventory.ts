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
  readonly restarts: PoolRestarts;
  readonly #ownership: Ownership;
  readonly #records = new Map<string, VmRecord>();
  /**
   * The tags that each own machine had when its record was put here, by reference. They are kept with the record, because
   * what is known of its ownership changes before its next record is put.
   */
  readonly #tags = new Map<string, Tags>();
  /** The references of each VM's own machines. */
  readonly #machines = new RefSets();
  /** The references of each VM's snapshots; the key is the VM's reference. */
  readonly #snapshots = new RefSets();

  /** `haRestartMs` is how long a machine of a failed host may wait for its restart. */
  constructor(ownership: Ownership, haRestartMs?: number) {
    this.restarts = new PoolRestarts(haRestartMs);
    this.#ownership = ownership;
  }

  replaceAll(records: Readonly<Record<string, VmRecord>>): void {
    const before = new Map(this.#records);
    for (const ref of before.keys()) this.#drop(ref);
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
    this.#snapshots.add(record.snapshot_of, ref);
    const tags = this.#ownership.tagsOf(record);
    if (tags === undefined) return;
    this.#tags.set(ref, tags);
    this.#machines.add(tags.vmId, ref);
  }

  /** Notes what the machine of a known VM has in xenstore now. */
  noteXenstore(ref: string, data: VmRecord["xenstore_data"]): void {
    const record = this.#records.get(ref);
    if (record !== undefined) this.#records.set(ref, { ...record, xenstore_data: data });
  }

  remove(ref: string): void {
    this.#drop(ref);
    this.restarts.forget(ref);
  }

  #drop(ref: string): void {
    const [record, tags] = [this.#records.get(ref), this.#tags.get(ref)];
    if (record !== undefined) this.#snapshots.remove(record.snapshot_of, ref);
    if (tags !== undefined) this.#machines.remove(tags.vmId, ref);
    this.#records.delete(ref);
    this.#tags.delete(ref);
  }

  record(ref: string): VmRecord | undefined {
    return this.#records.get(ref);
  }

  entries(): Iterable<readonly [string, VmRecord]> {
    return this.#records.entries();
  }

  /** Returns the VM's machine. A pool restored from a backup can hold two of one VM: the newer one counts. */
  own(vmId: string): OwnVm | undefined {
    const machines = this.#machines.of(vmId).flatMap((ref) => this.ownByRef(ref) ?? []);
    return machines.reduce<OwnVm | undefined>(
      (newest, vm) => (newest === undefined || isNewer(vm, newest) ? vm : newest),
      undefined,
    );
  }

  /** Returns the own VM with this reference, even if it is an older duplicate that {@link own} does not return. */
  ownByRef(ref: string): OwnVm | undefined {
    const [record, tags] = [this.#records.get(ref), this.#tags.get(ref)];
    if (record === undefined || tags === undefined) return undefined;
    return { ref, record, tags, restart: this.restarts.of(ref) };
  }

  /** Returns every VM of this agent, sorted by VM id. */
  allOwn(): readonly OwnVm[] {
    const all = this.#machines.keys().flatMap((vmId) => this.own(vmId) ?? []);
    return all.sort((a, b) => (a.tags.vmId < b.tags.vmId ? -1 : 1));
  }

  /** Returns the snapshots that this agent took of its present VMs, each snapshot with its XAPI reference. */
  snapshots(): readonly (KeptSnapshot & { readonly ref: string })[] {
    return this.#machines.keys().flatMap((vmId) => this.snapshotsOf(vmId));
  }

  /** Returns the snapshots that this agent took of one VM. */
  snapshotsOf(vmId: string): readonly (KeptSnapshot & { readonly ref: string })[] {
    const own = this.own(vmId);
    const refs = own === undefined ? [] : this.#snapshots.of(own.ref);
    return refs.flatMap((ref) => {
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

/** Sets of references by a key. */
class RefSets {
  readonly #sets = new Map<string, Set<string>>();

  add(key: string, ref: string): void {
    this.#sets.set(key, (this.#sets.get(key) ?? new Set()).add(ref));
  }

  remove(key: string, ref: string): void {
    const refs = this.#sets.get(key);
    refs?.delete(ref);
    if (refs?.size === 0) this.#sets.delete(key);
  }

  of(key: string): readonly string[] {
    return [...(this.#sets.get(key) ?? [])];
  }

  keys(): readonly string[] {
    return [...this.#sets.keys()];
  }
}

/** Equal machines are ordered by reference, so that the same one counts after each read. */
function isNewer(a: OwnVm, b: OwnVm): boolean {
  if (a.tags.incarnation !== b.tags.incarnation) return a.tags.incarnation > b.tags.incarnation;
  if (a.tags.fence !== b.tags.fence) return a.tags.fence > b.tags.fence;
  return a.ref < b.ref;
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
  const { vmId, fence, restores, cellDue } = tags;
  if (record.is_a_template || isHalfRestored(record, tags)) return undefined;
  const unfinished = cellDue ? ({ unfinished: true } as const) : {};
  switch (record.power_state) {
    case "Running":
      return { vmId, fence, restores, state: "running", ...unfinished };
    case "Paused":
    case "Suspended":
      return { vmId, fence, restores, state: "paused", ...unfinished };
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
