/**
 * Checks the owner before each call that changes or ends a machine of the pool, or a part of it: its network interfaces,
 * its disks, its tags and its keys.
 *
 * The check reads the object as it is then, because another user may have changed it since the driver read it last. The
 * client calls the guard immediately before it sends a call, so that no code of the driver can leave the check out, and
 * no wait for the pool lies between the check and the call. A new method of the client needs an entry here: the compiler
 * requires it. XAPI has no conditional write, so a change between the read and the call, a round trip, is not seen.
 */
import { DriverError } from "@bioxen/vm-driver";
import type { XapiClient } from "../xapi/client.ts";
import { hasCode } from "../xapi/errors.ts";
import type { ArgsOf, MethodName, ResultOf } from "../xapi/methods.ts";
import type { VmRecord } from "../xapi/records.ts";
import { NULL_REF } from "../xapi/ref.ts";
import type { Ownership } from "./ownership.ts";
import { isNamedBy, removedFor, unfinishedClone } from "./tags.ts";

/** The methods that change a VM, a snapshot, a disk or a network interface. */
export type ChangingMethod = Exclude<
  MethodName,
  `${string}.get_${string}` | `session.${string}` | `event.${string}` | `task.${string}`
>;

/**
 * - `machine`: the VM or snapshot must belong to this agent.
 * - `keys`: the same, or the VM is an orphan that an operator's decision gives to this agent, and that has not changed
 *   its owner since the driver read it.
 * - `interface`, `new interface`: the VM of the network interface must belong to this agent.
 * - `disk`: the machine in the call's options must belong to this agent, and no other VM may use the disk.
 * - `marked disk`: this agent must have marked the disk for removal, and no VM may use it.
 * - `unchecked`: the reason why there is nothing to check.
 */
type Check =
  | "machine"
  | "keys"
  | "interface"
  | "new interface"
  | "disk"
  | "marked disk"
  | { readonly unchecked: string };

const MAKES_AN_OBJECT = {
  unchecked: "the call reads a template and makes a new object, which has no owner yet",
};

/** What is checked before each method. */
export const CHECK_OF: Readonly<Record<ChangingMethod, Check>> = {
  "VM.clone": MAKES_AN_OBJECT,
  "VM.copy": MAKES_AN_OBJECT,
  "VM.provision": "machine",
  "VM.add_to_other_config": "machine",
  "VM.remove_from_other_config": "machine",
  "VM.set_other_config": "keys",
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
  "VDI.add_to_other_config": "disk",
  "VDI.remove_from_other_config": "disk",
  "VDI.destroy": "marked disk",
  "VIF.destroy": "interface",
  "VIF.create": "new interface",
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
   * when the object is missing. `machine` is the VM or snapshot to which a disk belongs.
   */
  async check(method: MethodName, args: readonly unknown[], machine: string | undefined): Promise<void> {
    const check = (CHECK_OF as Readonly<Record<string, Check | undefined>>)[method];
    const [object] = args;
    const ref = String(object);
    switch (check) {
      case "machine":
        await this.requireOwn(ref, method);
        return;
      case "keys":
        await this.#requireOwn(ref, method, true);
        return;
      case "interface":
        await this.requireOwn((await this.#read("VIF.get_record", [ref])).VM, method);
        return;
      case "new interface":
        await this.requireOwn(String((object as { readonly VM?: unknown }).VM), method);
        return;
      case "disk":
        await this.#disk(ref, machine, method);
        return;
      case "marked disk":
        await this.#markedDisk(ref);
        return;
    }
  }

  /** Rejects with `UNAVAILABLE` unless the VM or snapshot belongs to this agent now. `what` names the rejected call. */
  async requireOwn(ref: string, what: string): Promise<void> {
    await this.#requireOwn(ref, what, false);
  }

  async #requireOwn(ref: string, what: string, mayBeTaken: boolean): Promise<VmRecord> {
    const record = await this.#read("VM.get_record", [ref]);
    if (mayBeTaken && this.#ownership.isTaken(record)) return record;
    if (await this.#isOwn(record)) return record;
    if (record.is_a_snapshot && (await this.#isOwnSnapshot(record))) return record;
    throw refused(what, `the machine ${record.uuid} does not belong to this agent`);
  }

  /** Reads beside the throttle: the call that is checked has a slot already, and a second one could wait for it. */
  #read<M extends MethodName>(method: M, args: ArgsOf<M>): Promise<ResultOf<M>> {
    return this.#client().call(method, args, { isUnthrottled: true });
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
      return await this.#isOwn(await this.#read("VM.get_record", [snapshot_of]));
    } catch (thrown) {
      if (!hasCode(thrown, "HANDLE_INVALID")) throw thrown;
      return isNamedBy(record, this.#ownership.owner);
    }
  }

  /** A disk is that of the machine if only this machine uses it, or if it has the machine's memory. */
  async #disk(ref: string, machine: string | undefined, method: MethodName): Promise<void> {
    if (machine === undefined) throw refused(method, `the call does not name the machine of the disk ${ref}`);
    const { suspend_VDI } = await this.#requireOwn(machine, method, false);
    const { uuid, VBDs } = await this.#read("VDI.get_record", [ref]);
    const users: string[] = [];
    for (const vbd of VBDs) users.push((await this.#read("VBD.get_record", [vbd])).VM);
    const isIts = users.length === 0 ? suspend_VDI === ref : users.every((user) => user === machine);
    if (!isIts) throw refused(method, `the disk ${uuid} is not one of this agent's machine alone`);
  }

  async #markedDisk(ref: string): Promise<void> {
    const disk = await this.#read("VDI.get_record", [ref]);
    if (removedFor(disk, this.#ownership.owner) !== undefined && disk.VBDs.length === 0) return;
    throw refused(
      "VDI.destroy",
      `a VM uses the disk ${disk.uuid}, or this agent has not marked it for removal`,
    );
  }
}

function refused(what: string, why: string): DriverError {
  return new DriverError("UNAVAILABLE", `${what} was not called: ${why}`);
}
