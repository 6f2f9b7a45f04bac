/**
 * Checks the owner before each call that changes or ends a machine or a disk of the pool.
 *
 * The check reads the object as it is then, because another user may have changed it since the driver read it last. The
 * client calls the guard, so that no code of the driver can leave the check out. A new method of the client needs an
 * entry here: the compiler requires it.
 */
import { DriverError } from "@bioxen/vm-driver";
import type { XapiClient } from "../xapi/client.ts";
import { hasCode } from "../xapi/errors.ts";
import type { MethodName } from "../xapi/methods.ts";
import type { VmRecord } from "../xapi/records.ts";
import { NULL_REF } from "../xapi/ref.ts";
import type { Ownership } from "./ownership.ts";
import { isNamedBy, removedFor, unfinishedClone } from "./tags.ts";

/** The methods that change a VM, a snapshot, a disk or a network interface. */
type ChangingMethod = Exclude<
  MethodName,
  `${string}.get_${string}` | `session.${string}` | `event.${string}` | `task.${string}`
>;

/**
 * What is checked before each method. `machine`: the VM or snapshot must belong to this agent. `disk`: this agent must
 * have marked the disk for removal, and no VM may use it. `none`: the call makes an object, or writes the very keys by
 * which an owner is recognised.
 */
const CHECK_OF: Readonly<Record<ChangingMethod, "machine" | "disk" | "none">> = {
  "VM.clone": "none",
  "VM.copy": "none",
  "VM.provision": "machine",
  "VM.add_to_other_config": "machine",
  "VM.remove_from_other_config": "machine",
  "VM.set_other_config": "none",
  "VM.set_xenstore_data": "machine",
  "VM.set_name_label": "machine",
  "VM.set_name_description": "machine",
  "VM.add_tags": "machine",
  "VM.remove_tags": "machine",
  "VM.set_memory_limits": "machine",
  "VM.set_memory_dynamic_range": "machine",
  "VM.set_VCPUs_max": "machine",
  "VM.set_VCPUs_at_startup": "machine",
  "VM.set_VCPUs_number_live": "machine",
  "VM.set_VCPUs_params": "machine",
  "VM.add_to_VCPUs_params_live": "machine",
  "VM.start": "machine",
  "VM.pause": "machine",
  "VM.unpause": "machine",
  "VM.suspend": "machine",
  "VM.resume": "machine",
  "VM.clean_shutdown": "machine",
  "VM.hard_shutdown": "machine",
  "VM.snapshot": "machine",
  "VM.checkpoint": "machine",
  "VM.revert": "machine",
  "VM.destroy": "machine",
  // The mark on a disk is written before the record of its VM, which was checked, is destroyed.
  "VDI.add_to_other_config": "none",
  "VDI.remove_from_other_config": "none",
  "VDI.destroy": "disk",
  // The interfaces of a clone that is not provisioned yet.
  "VIF.destroy": "none",
  "VIF.create": "none",
};

export class OwnershipGuard {
  readonly #client: () => XapiClient;
  readonly #ownership: Ownership;

  constructor(client: () => XapiClient, ownership: Ownership) {
    this.#client = client;
    this.#ownership = ownership;
  }

  /**
   * Rejects with `UNAVAILABLE` when the object of the call does not belong to this agent now, and with the pool's error
   * when the object is missing.
   */
  async check(method: MethodName, args: readonly unknown[]): Promise<void> {
    const check = (CHECK_OF as Readonly<Record<string, string>>)[method];
    const ref = String(args[0]);
    if (check === "machine") await this.requireOwn(ref, method);
    if (check === "disk") await this.#disk(ref);
  }

  /** Rejects with `UNAVAILABLE` unless the VM or snapshot belongs to this agent now. `what` names the rejected call. */
  async requireOwn(ref: string, what: string): Promise<void> {
    const record = await this.#client().call("VM.get_record", [ref]);
    if (await this.#isOwn(record)) return;
    if (record.is_a_snapshot && (await this.#isOwnSnapshot(record))) return;
    throw new DriverError(
      "UNAVAILABLE",
      `${what} was not called: the machine ${record.uuid} does not belong to this agent`,
    );
  }

  async #isOwn(record: VmRecord): Promise<boolean> {
    await this.#ownership.learn([record]);
    return (
      this.#ownership.tagsOf(record) !== undefined ||
      unfinishedClone(record, this.#ownership.owner) !== undefined
    );
  }

  /** A snapshot belongs to the agent that took it, or that runs its VM. */
  async #isOwnSnapshot(record: VmRecord): Promise<boolean> {
    const { snapshot_of } = record;
    if (snapshot_of === NULL_REF) return isNamedBy(record, this.#ownership.owner);
    try {
      return await this.#isOwn(await this.#client().call("VM.get_record", [snapshot_of]));
    } catch (thrown) {
      if (!hasCode(thrown, "HANDLE_INVALID")) throw thrown;
      return isNamedBy(record, this.#ownership.owner);
    }
  }

  async #disk(ref: string): Promise<void> {
    const disk = await this.#client().call("VDI.get_record", [ref]);
    if (removedFor(disk, this.#ownership.owner) !== undefined && disk.VBDs.length === 0) return;
    throw new DriverError(
      "UNAVAILABLE",
      `VDI.destroy was not called: a VM uses the disk ${disk.uuid}, or this agent has not marked it for removal`,
    );
  }
}
