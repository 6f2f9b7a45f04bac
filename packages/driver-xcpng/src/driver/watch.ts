/**
 * Keeps the inventory up to date with the pool's events, and reports changes to own VMs that came from outside BioXen.
 *
 * An event for an own VM can be older than the record that an operation has just read. Such an event therefore only
 * triggers a new read after the VM's current operation. A difference found by that read was made outside BioXen.
 * Records of other VMs are taken from the event as they are.
 */
import type { KeyedQueue } from "@bioxen/kernel";
import type { GuestStatus, OutsideChange } from "@bioxen/vm-driver";
import type { VmRecord } from "../xapi/records.ts";
import type { XapiEvent } from "../xapi/wire.ts";
import { guestOf, type Inventory, isSame, type OwnVm } from "./inventory.ts";
import type { Ownership } from "./ownership.ts";
import { isAwaited, type PoolRestart } from "./pool-restarts.ts";
import type { VmReads } from "./vm-reads.ts";

export interface Observed {
  readonly vmId: string;
  readonly fence: number;
  readonly change: OutsideChange;
  /** The status of the VM's guest before the change; undefined when the VM had no guest and only kept its disks. */
  readonly before: GuestStatus | undefined;
  /** References of the old and the new host if the change moved the VM; else undefined. */
  readonly hosts?: { readonly from: string; readonly to: string } | undefined;
}

/** Changes outside BioXen that end every program in the machine. */
export const ENDS_PROGRAMS: readonly OutsideChange[] = ["halted", "suspended", "deleted"];

export interface WatchOptions {
  readonly ownership: Ownership;
  readonly inventory: Inventory;
  readonly reads: VmReads;
  readonly queue: KeyedQueue;
  readonly onObserved: (observed: Observed) => void;
  /** Reads the names of these hosts if they are unknown. */
  readonly learnHosts: (refs: readonly string[]) => Promise<void>;
  /** Called when the record of the VM `vmId` changed. */
  readonly onChanged: (vmId: string, fence: number) => void;
  readonly onError: (thrown: unknown) => void;
  /** Removes the clones that no operation finishes. */
  readonly sweepClones: () => Promise<void>;
}

export class Watch {
  readonly #options: WatchOptions;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  onEvent({ operation, ref, snapshot }: XapiEvent): void {
    const { inventory, ownership } = this.#options;
    const known = inventory.ownByRef(ref);
    if (operation === "del") {
      if (known === undefined) inventory.remove(ref);
      else this.#readInTurn(known.tags.vmId, ref);
      return;
    }
    const record = snapshot as VmRecord;
    const vmId = known?.tags.vmId ?? ownership.claimedVmId(record);
    if (vmId === undefined) {
      inventory.put(ref, record);
      if (inventory.unfinishedClones().some((clone) => clone.ref === ref))
        this.#options.sweepClones().catch(this.#options.onError);
      return;
    }
    if (known !== undefined && isSame(known.record, record)) {
      // What a guest agent reports needs no read: the next report replaces an outdated one.
      inventory.noteXenstore(ref, record.xenstore_data);
      return;
    }
    this.#readInTurn(vmId, ref);
  }

  #readInTurn(vmId: string, ref: string): void {
    const { queue, reads, onError } = this.#options;
    reads.markDirty(ref);
    // An operation in progress reads the VM itself before it ends; then the VM is no longer dirty and needs no second
    // read.
    queue.run(vmId, async () => (reads.isDirty(ref) ? this.#read(ref) : undefined)).catch(onError);
  }

  async #read(ref: string): Promise<void> {
    const { inventory, reads } = this.#options;
    const before = inventory.ownByRef(ref);
    const after = await reads.refresh(ref);
    const hosts = hostsOf(before, after);
    if (hosts !== undefined) await this.#options.learnHosts([hosts.from, hosts.to]);
    this.compare(before, after);
  }

  /**
   * Reports how an own VM changed from one read to the next. The caller ensures that no operation of the driver changed
   * the VM between these two reads. The change therefore came from outside BioXen.
   */
  compare(before: OwnVm | undefined, after: OwnVm | undefined): void {
    const { onObserved, onChanged } = this.#options;
    const own = after ?? before;
    if (own === undefined) return;
    const { vmId, fence } = own.tags;
    const change = before === undefined ? undefined : changeOf(before, after);
    if (change === "halted" && after !== undefined && isAwaited(after.restart)) {
      this.#expectRestart(before, after, after.restart);
    } else if (change !== undefined) {
      const guest = before === undefined ? undefined : guestOf(before);
      onObserved({ vmId, fence, change, before: guest, hosts: hostsOf(before, after) });
    }
    onChanged(vmId, fence);
  }

  /** Reports the machine as halted if the pool has not restarted it in time. */
  #expectRestart(before: OwnVm | undefined, { ref, tags }: OwnVm, { untilMs }: PoolRestart): void {
    const { inventory, queue, onObserved, onChanged, onError } = this.#options;
    const { vmId, fence } = tags;
    const check = async (): Promise<void> => {
      const now = inventory.ownByRef(ref);
      if (now?.record.power_state !== "Halted" || guestOf(now)?.state !== "failed") return;
      onObserved({ vmId, fence, change: "halted", before: before && guestOf(before) });
      onChanged(vmId, fence);
    };
    setTimeout(() => queue.run(vmId, check).catch(onError), untilMs - Date.now()).unref();
  }
}

function changeOf(own: OwnVm, later: OwnVm | undefined): OutsideChange | undefined {
  if (later === undefined) return "deleted";
  const [before, after] = [own.record, later.record];
  const [from, to] = [before.power_state, after.power_state];
  if (isRestart(own, later)) return "moved";
  if (from === to) return hasMoved(before, after) ? "moved" : undefined;
  switch (to) {
    case "Halted":
      return "halted";
    case "Paused":
      return "paused";
    case "Suspended":
      return "suspended";
    case "Running":
      return from === "Halted" ? "started" : "resumed";
  }
}

/** Returns whether the pool's high availability has restarted the machine. */
function isRestart({ restart }: OwnVm, { record }: OwnVm): boolean {
  return isAwaited(restart) && record.power_state === "Running";
}

function hasMoved(before: VmRecord, after: VmRecord): boolean {
  const runs = before.power_state === "Running" && after.power_state === "Running";
  return runs && before.resident_on !== after.resident_on;
}

/** Returns the old and the new host if the VM moved, else undefined. */
function hostsOf(before: OwnVm | undefined, after: OwnVm | undefined): Observed["hosts"] {
  if (before === undefined || after === undefined) return undefined;
  if (before.restart !== undefined && isRestart(before, after)) {
    return { from: before.restart.host, to: after.record.resident_on };
  }
  if (!hasMoved(before.record, after.record)) return undefined;
  return { from: before.record.resident_on, to: after.record.resident_on };
}
