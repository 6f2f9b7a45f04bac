/**
 * Takes snapshots of machines in the pool, and reverts machines to them.
 *
 * A revert replaces the machine's fields by those of the snapshot time, `other_config`, name, description and the share
 * of the processors included (xapi-project/xen-api, xapi_vm_snapshot.ml, `revert_vm_fields`). The driver therefore writes
 * its keys after the revert, and then the other fields. Until the keys are written a tag, which a revert keeps, says that
 * a restore is in progress (`tags.ts`). A restore that was interrupted is repeated: the machine has not run since its
 * revert, so the repetition discards nothing.
 */
import { DriverError } from "@bioxen/vm-driver";
import type { XapiClient } from "../xapi/client.ts";
import { hasCode, XapiUnreachable } from "../xapi/errors.ts";
import type { Tasks } from "../xapi/tasks.ts";
import { asDriverError } from "./failures.ts";
import type { OwnVm } from "./inventory.ts";
import { type Deadlines, MAX_REVERTS } from "./limits.ts";
import type { MachineSettings } from "./machine-settings.ts";
import type { Ownership } from "./ownership.ts";
import type { PoolVms } from "./pool-vms.ts";
import { weigh } from "./sizing.ts";
import { RAN_KEY, restoreTag, restoreTagsOf, snapshotName, type Tags, tagged } from "./tags.ts";
import type { VmReads } from "./vm-reads.ts";

export interface MachineSnapshotsOptions {
  readonly client: XapiClient;
  readonly tasks: Tasks;
  readonly ownership: Ownership;
  /** Writes the name, the description and the tags that an administrator of the pool sees. */
  readonly label: (vm: OwnVm) => Promise<void>;
  readonly deadlines: Deadlines;
  readonly reads: Pick<VmReads, "refresh">;
  readonly vms: Pick<PoolVms, "switchOff">;
}

/** The failed reverts for one restore of a VM under one reservation. */
interface Failures {
  readonly restores: number;
  readonly fence: number;
  readonly count: number;
}

export class MachineSnapshots {
  readonly #options: MachineSnapshotsOptions;
  /** The failed reverts of each VM, by VM id. */
  readonly #failures = new Map<string, Failures>();

  constructor(options: MachineSnapshotsOptions) {
    this.#options = options;
  }

  /**
   * Takes a snapshot, with memory if possible. Without memory are: a guest without tools, a pool without a storage
   * repository for memory images, and a paused machine, whose checkpoint has no memory (xapi_vm_clone.ml, `clone`).
   */
  async take(vm: OwnVm, name: string): Promise<void> {
    const { tasks, ownership, deadlines, reads } = this.#options;
    const label = snapshotName(ownership.owner, vm.tags.vmId, name, Date.now());
    const options = { stallMs: deadlines.snapshotMs };
    const ofDisks = () => tasks.run("VM.snapshot", [vm.ref, label], options);
    const ofAll = () =>
      tasks.run("VM.checkpoint", [vm.ref, label], options).catch((thrown) => {
        if (!hasCode(thrown, "VM_LACKS_FEATURE", "VM_MISSING_PV_DRIVERS", "VM_NO_SUSPEND_SR")) throw thrown;
        return ofDisks();
      });
    await reads.refresh(await (vm.record.power_state === "Paused" ? ofDisks() : ofAll()));
  }

  /**
   * Reverts the VM to a snapshot and discards its present state. The VM is then suspended if the snapshot includes
   * memory, else halted, and has `tags` in its `other_config` keys, BioXen's labels, and the share of the processors in
   * `settings`. Rejects with `GUEST_ERROR` after `MAX_REVERTS` failed reverts for the same restore.
   */
  async revert(vm: OwnVm, snapshot: string, tags: Tags, settings: MachineSettings): Promise<OwnVm> {
    const { tasks, deadlines, reads, vms } = this.#options;
    const { ref } = vm;
    await this.#mark(ref, "restoring", tags.restores);
    if (vm.record.power_state !== "Halted") await vms.switchOff(ref);
    try {
      await tasks.run("VM.revert", [snapshot], { stallMs: deadlines.revertMs });
      await this.#writeKeys(ref, tags);
      await this.#mark(ref, "restored", tags.restores);
      const restored = await reads.refresh(ref);
      if (restored?.tags.restores !== tags.restores || restored.tags.fence !== tags.fence) {
        throw new DriverError("UNAVAILABLE", "the pool did not keep BioXen's keys after the revert");
      }
      this.#failures.delete(tags.vmId);
      return await this.#dress(restored, settings);
    } catch (thrown) {
      // The list of guests must show at once that the machine is halted, so that the caller starts it again.
      await reads.refresh(ref).catch(() => undefined);
      throw this.#counted(tags, thrown);
    }
  }

  /** Writes the fields of a reverted machine beside its keys. The memory, and the number of CPUs, follow with its start. */
  async #dress(vm: OwnVm, settings: MachineSettings): Promise<OwnVm> {
    const { client, label, reads } = this.#options;
    await label(vm);
    await weigh(client, vm.ref, vm.record, settings);
    return (await reads.refresh(vm.ref)) ?? vm;
  }

  async #writeKeys(ref: string, tags: Tags): Promise<void> {
    const { client, ownership } = this.#options;
    const record = await client.call("VM.get_record", [ref]);
    const config = tagged(record, ownership.owner, tags);
    // A suspended machine holds a guest at once and needs the mark that it has run.
    if (record.power_state === "Suspended") config[RAN_KEY] = String(tags.fence);
    await client.call("VM.set_other_config", [ref, config]);
    ownership.note(record, tags);
  }

  /** Sets the tag that a restore is at this step, and removes the tags that it replaces. */
  async #mark(ref: string, step: "restoring" | "restored", restores: number): Promise<void> {
    const { client } = this.#options;
    const record = await client.call("VM.get_record", [ref]);
    const tag = restoreTag(step, restores, record);
    const present = restoreTagsOf(record);
    if (!present.includes(tag)) await client.call("VM.add_tags", [ref, tag]);
    // The count of the last complete restore stays until the next restore is complete.
    const replaced = present.filter(
      (one) => one !== tag && (step === "restored" || one.includes("restoring")),
    );
    for (const old of replaced) await client.call("VM.remove_tags", [ref, old]);
  }

  /** Counts a failed revert, and returns the error to throw: a permanent one when too many reverts have failed. */
  #counted({ vmId, restores, fence }: Tags, thrown: unknown): unknown {
    const isTransient =
      thrown instanceof XapiUnreachable ||
      hasCode(thrown, "OTHER_OPERATION_IN_PROGRESS", "HOST_STILL_BOOTING", "TOO_BUSY", "SESSION_INVALID");
    if (isTransient) return thrown;
    const before = this.#failures.get(vmId);
    const isSame = before?.restores === restores && before.fence === fence;
    const count = (isSame ? before.count : 0) + 1;
    this.#failures.set(vmId, { restores, fence, count });
    if (count < MAX_REVERTS) return thrown;
    this.#failures.delete(vmId);
    const failure = asDriverError(thrown, `restoring ${vmId}`);
    const why = failure instanceof Error ? failure.message : String(failure);
    return new DriverError("GUEST_ERROR", `${count} reverts to the snapshot failed; the last one: ${why}`, {
      cause: thrown,
    });
  }
}
