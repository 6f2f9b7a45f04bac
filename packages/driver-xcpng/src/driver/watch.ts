/**
 * Keeps the inventory true: events of the pool, and what others did to VMs of ours.
 *
 * An event of a VM of ours only says where to look: its snapshot may be older than what an operation of ours has just
 * read. So a difference is read anew, in line with the VM's operations, and what is different then was done by somebody
 * else. Other records are taken from events as they are.
 */
import type { KeyedQueue } from "@bioxen/kernel";
import type { GuestStatus, OutsideChange } from "@bioxen/vm-driver";
import type { VmRecord } from "../xapi/records.ts";
import type { XapiEvent } from "../xapi/wire.ts";
import { guestOf, type Inventory, isSame, type OwnVm } from "./inventory.ts";
import type { PoolVms } from "./pool-vms.ts";
import { tagsOf } from "./tags.ts";

export interface Observed {
  readonly vmId: string;
  readonly fence: number;
  readonly change: OutsideChange;
  /** It was a guest, not only kept. */
  readonly before: GuestStatus | undefined;
  /** References of the hosts, of one that runs elsewhere. */
  readonly hosts?: { readonly from: string; readonly to: string } | undefined;
}

export interface WatchOptions {
  readonly owner: string;
  readonly inventory: Inventory;
  readonly vms: PoolVms;
  readonly queue: KeyedQueue;
  readonly onObserved: (observed: Observed) => void;
  /** These hosts are to be known by name. */
  readonly learnHosts: (refs: readonly string[]) => Promise<void>;
  /** Something is known of this VM that was not. */
  readonly onChanged: (vmId: string, fence: number) => void;
  readonly onError: (thrown: unknown) => void;
}

export class Watch {
  readonly #options: WatchOptions;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  onEvent({ operation, ref, snapshot }: XapiEvent): void {
    const { inventory, owner, vms } = this.#options;
    const known = inventory.ownByRef(ref);
    if (operation === "del") {
      if (known === undefined) inventory.remove(ref);
      else this.#lookAgain(known.tags.vmId, ref);
      return;
    }
    const record = snapshot as VmRecord;
    const vmId = known?.tags.vmId ?? tagsOf(record, owner)?.vmId;
    if (vmId === undefined) {
      inventory.put(ref, record);
      if (inventory.halfMade().includes(ref)) vms.sweep().catch(this.#options.onError);
      return;
    }
    if (known !== undefined && isSame(known.record, record)) return;
    this.#lookAgain(vmId, ref);
  }

  #lookAgain(vmId: string, ref: string): void {
    const { queue, vms, onError } = this.#options;
    vms.touched(ref);
    // An operation that is under way reads the VM itself when it ends; then there is nothing left to see.
    queue.run(vmId, async () => (vms.isDirty(ref) ? this.#see(ref) : undefined)).catch(onError);
  }

  async #see(ref: string): Promise<void> {
    const { inventory, vms } = this.#options;
    const before = inventory.ownByRef(ref);
    const after = await vms.refresh(ref);
    const hosts = hostsOf(before, after);
    if (hosts !== undefined) await this.#options.learnHosts([hosts.from, hosts.to]);
    this.compare(before, after);
  }

  /** Tells what lies between two looks at one VM of ours, with nothing of our own doing in between. */
  compare(before: OwnVm | undefined, after: OwnVm | undefined): void {
    const { onObserved, onChanged } = this.#options;
    const own = after ?? before;
    if (own === undefined) return;
    const { vmId, fence } = own.tags;
    const change = before === undefined ? undefined : changeOf(before.record, after?.record);
    if (change !== undefined) {
      const guest = before === undefined ? undefined : guestOf(before);
      onObserved({ vmId, fence, change, before: guest, hosts: hostsOf(before, after) });
    }
    onChanged(vmId, fence);
  }
}

function changeOf(before: VmRecord, after: VmRecord | undefined): OutsideChange | undefined {
  if (after === undefined) return "deleted";
  const [from, to] = [before.power_state, after.power_state];
  if (from === to) return isElsewhere(before, after) ? "moved" : undefined;
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

function isElsewhere(before: VmRecord, after: VmRecord): boolean {
  const runs = before.power_state === "Running" && after.power_state === "Running";
  return runs && before.resident_on !== after.resident_on;
}

function hostsOf(before: OwnVm | undefined, after: OwnVm | undefined): Observed["hosts"] {
  if (before === undefined || after === undefined || !isElsewhere(before.record, after.record))
    return undefined;
  return { from: before.record.resident_on, to: after.record.resident_on };
}
