/**
 * Removes VMs of the pool with their snapshots and disks.
 *
 * The order is that of the pool (xapi-project/xen-api, xapi_vm.ml `hard_shutdown`, xapi_vm_helpers.ml `destroy`,
 * xapi_vdi.ml `check_operation_error`): a VM or snapshot with memory is shut down hard, because its disks stay attached
 * until then; then its record is destroyed; then its disks, which the record's destruction leaves in the pool. Before
 * that, each disk is marked for removal in its own `other_config`. A driver that starts after a crash finds disks whose
 * record is gone by this mark. A disk that another VM uses as well is kept.
 */
import type { XapiClient } from "../xapi/client.ts";
import { hasCode, XapiError } from "../xapi/errors.ts";
import type { VdiRecord, VmRecord } from "../xapi/records.ts";
import { NULL_REF } from "../xapi/ref.ts";
import type { Inventory } from "./inventory.ts";
import { Leftovers, type LeftoversOptions, type Remains } from "./leftovers.ts";
import { type Agent, removalMark, removedFor, vmIdIn } from "./tags.ts";

export interface VmRemovalOptions extends Pick<LeftoversOptions, "onLeft" | "firstWaitMs" | "lookMs"> {
  readonly client: XapiClient;
  readonly inventory: Inventory;
  readonly owner: Agent;
  /** Rejects unless the VM or snapshot belongs to this agent now. */
  readonly requireOwn: (ref: string) => Promise<void>;
  /** Halts a VM at once. Idempotent. */
  readonly switchOff: (ref: string) => Promise<void>;
  /** Runs work on a VM after the VM's present work. */
  readonly inTurn: (vmId: string, work: () => Promise<void>) => Promise<void>;
}

export class VmRemoval {
  readonly #options: VmRemovalOptions;
  readonly #leftovers: Leftovers;

  constructor(options: VmRemovalOptions) {
    this.#options = options;
    const { onLeft, firstWaitMs, lookMs } = options;
    this.#leftovers = new Leftovers({
      remove: (remains) => this.#again(remains),
      isThere: ({ kind, uuid }) => this.isThere(kind, uuid),
      onLeft,
      firstWaitMs,
      lookMs,
    });
  }

  /** Returns what the pool still has although BioXen has tried to remove it. */
  left() {
    return this.#leftovers.list();
  }

  /** Returns whether the object with this reference is being removed: no operation uses it any more. */
  isLeaving(ref: string): boolean {
    return this.#leftovers.has(ref);
  }

  /** Resolves with whether the pool has the object. Rejects when the pool is unreachable. */
  async isThere(kind: Remains["kind"], uuid: string): Promise<boolean> {
    const { client, inventory } = this.#options;
    if (kind !== "disk") return [...inventory.entries()].some(([, record]) => record.uuid === uuid);
    const disks = await client.call("VDI.get_all_records", []);
    return Object.values(disks).some((disk) => disk.uuid === uuid);
  }

  close(): void {
    this.#leftovers.close();
  }

  /**
   * Removes a VM, whatever its power state, with its snapshots and disks; or one snapshot. Idempotent. When the pool
   * rejects a step, the removal is noted and repeated later, and the call resolves. Rejects when the pool is
   * unreachable.
   */
  async discard(kind: "machine" | "snapshot", ref: string): Promise<void> {
    const record = await this.#present(ref);
    if (record === undefined) return this.#options.inventory.remove(ref);
    try {
      await this.#destroy(kind, ref);
    } catch (thrown) {
      if (!(thrown instanceof XapiError)) throw thrown;
      const vmId = vmIdIn(record);
      this.#leftovers.add({ vmId, kind, ref, uuid: record.uuid }, thrown);
    }
  }

  /** Removes the disks that a crashed process has marked, and that no VM uses. */
  async sweepDisks(): Promise<void> {
    const { client, owner } = this.#options;
    for (const [ref, disk] of Object.entries(await client.call("VDI.get_all_records", []))) {
      const vmId = removedFor(disk, owner);
      if (vmId === undefined || disk.VBDs.length > 0) continue;
      await this.#destroyDisk({ vmId, kind: "disk", ref, uuid: disk.uuid });
    }
  }

  async #again(remains: Remains): Promise<void> {
    const { kind, ref, vmId } = remains;
    if (kind === "disk") await unlessMissing(this.#options.client.call("VDI.destroy", [ref]));
    else await this.#options.inTurn(vmId, () => this.#destroy(kind, ref));
  }

  async #destroy(kind: "machine" | "snapshot", ref: string): Promise<void> {
    const record = await this.#present(ref);
    if (record === undefined) return this.#options.inventory.remove(ref);
    const vmId = vmIdIn(record);
    if (kind === "machine") {
      for (const snapshot of record.snapshots) await this.#destroyRecord(snapshot, vmId);
    }
    await this.#destroyRecord(ref, vmId);
  }

  /** Removes one record of the VM with its disks and its memory image. */
  async #destroyRecord(ref: string, vmId: string): Promise<void> {
    const { client, inventory, switchOff, requireOwn } = this.#options;
    const record = await this.#present(ref);
    if (record !== undefined) {
      await requireOwn(ref);
      const disks = await this.#markDisks(ref, record, vmId);
      if (record.power_state !== "Halted") await switchOff(ref);
      try {
        await unlessMissing(client.call("VM.destroy", [ref]));
      } catch (thrown) {
        // When only the reply is lost, the record is gone, and the next try would not find the disks.
        if (!(thrown instanceof XapiError)) for (const disk of disks) this.#leftovers.add(disk, thrown);
        throw thrown;
      }
      for (const disk of disks) await this.#destroyDisk(disk);
    }
    inventory.remove(ref);
  }

  async #destroyDisk(disk: Remains): Promise<void> {
    await unlessMissing(this.#options.client.call("VDI.destroy", [disk.ref])).catch((thrown) =>
      this.#leftovers.add(disk, thrown),
    );
  }

  /** Marks the disks of this record for removal, and resolves with them. */
  async #markDisks(machine: string, record: VmRecord, vmId: string): Promise<readonly Remains[]> {
    const { client, owner } = this.#options;
    const refs = await Promise.all(record.VBDs.map((vbd) => this.#diskBehind(vbd)));
    const disks: Remains[] = [];
    for (const ref of [...refs, record.suspend_VDI]) {
      if (ref === undefined || ref === NULL_REF) continue;
      const disk = await unlessMissing(client.call("VDI.get_record", [ref]));
      if (disk === undefined || disk.VBDs.length > 1) continue;
      if (removedFor(disk, owner) === undefined) {
        await unlessMissing(this.#mark(ref, disk, machine, removalMark(owner, vmId, disk.uuid)));
      }
      disks.push({ vmId, kind: "disk", ref, uuid: disk.uuid });
    }
    return disks;
  }

  async #mark(
    ref: string,
    disk: VdiRecord,
    machine: string,
    [key, value]: readonly [string, string],
  ): Promise<void> {
    const { client } = this.#options;
    // A copy of a marked disk has the mark of its original, which is replaced.
    if (key in disk.other_config) await client.call("VDI.remove_from_other_config", [ref, key], { machine });
    await client.call("VDI.add_to_other_config", [ref, key, value], { machine });
  }

  #present(ref: string): Promise<VmRecord | undefined> {
    return unlessMissing(this.#options.client.call("VM.get_record", [ref]));
  }

  /** Resolves with the reference of the disk behind a VBD; undefined when the VBD has no disk, such as a CD drive. */
  async #diskBehind(vbd: string): Promise<string | undefined> {
    const record = await unlessMissing(this.#options.client.call("VBD.get_record", [vbd]));
    return record === undefined || record.type !== "Disk" || record.empty ? undefined : record.VDI;
  }
}

/** Resolves with the result of `call`, or with undefined when the object of the call is missing in the pool. */
async function unlessMissing<T>(call: Promise<T>): Promise<T | undefined> {
  return call.catch((thrown) => {
    if (hasCode(thrown, "HANDLE_INVALID")) return undefined;
    throw thrown;
  });
}
