/**
 * What is done to one VM of the pool, step by step. Whoever calls sees to it that one thing happens to a VM at a time.
 *
 * Each step looks at what is and does what is missing, so that a sequence that broke off anywhere is gone on with by
 * calling it again. A clone is the one step that cannot be found by its VM: a name of its own tells what it was for.
 */
import { randomBytes } from "node:crypto";
import { DriverError, type GuestSpec } from "@bioxen/vm-driver";
import type { XapiClient } from "../xapi/client.ts";
import { hasCode, XapiUnreachable } from "../xapi/errors.ts";
import type { VmRecord } from "../xapi/records.ts";
import { NULL_REF } from "../xapi/ref.ts";
import type { Tasks } from "../xapi/tasks.ts";
import type { Inventory, OwnVm } from "./inventory.ts";
import { DEFAULT_DEADLINES, type Deadlines } from "./limits.ts";
import { size } from "./sizing.ts";
import { cloneName, RAN_KEY, snapshotName, type Tags, tagged } from "./tags.ts";
import type { Wishes } from "./wishes.ts";

export interface PoolVmsOptions {
  readonly client: XapiClient;
  readonly tasks: Tasks;
  readonly inventory: Inventory;
  /** Names who made a VM: two BioXen on one pool leave each other's alone. */
  readonly owner: string;
  readonly deadlines?: Partial<Deadlines> | undefined;
}

export class PoolVms {
  readonly #client: XapiClient;
  readonly #tasks: Tasks;
  readonly #inventory: Inventory;
  readonly #owner: string;
  readonly #deadlines: Deadlines;
  /** Names of clones somebody here waits for. */
  readonly #making = new Set<string>();
  /** Changed since it was last read. */
  readonly #dirty = new Set<string>();

  constructor({ client, tasks, inventory, owner, deadlines }: PoolVmsOptions) {
    this.#deadlines = { ...DEFAULT_DEADLINES, ...deadlines };
    this.#client = client;
    this.#tasks = tasks;
    this.#inventory = inventory;
    this.#owner = owner;
  }

  async fetchAll(): Promise<void> {
    this.#inventory.replaceAll(await this.#client.call("VM.get_all_records", []));
  }

  /** The VM changed, and what is known of it may be old. */
  touched(ref: string): void {
    this.#dirty.add(ref);
  }

  isDirty(ref: string): boolean {
    return this.#dirty.has(ref);
  }

  /** Reads the VM until no change was told meanwhile; undefined when it is gone. */
  async refresh(ref: string): Promise<OwnVm | undefined> {
    try {
      do {
        this.#dirty.delete(ref);
        this.#inventory.put(ref, await this.#client.call("VM.get_record", [ref]));
      } while (this.#dirty.has(ref));
    } catch (thrown) {
      if (!hasCode(thrown, "HANDLE_INVALID")) throw thrown;
      this.#inventory.remove(ref);
    }
    return this.#inventory.ownByRef(ref);
  }

  /** A VM of ours for `spec`, halted: cloned, with its keys. Not provisioned yet. */
  async make(spec: GuestSpec, wishes: Wishes, signal: AbortSignal): Promise<OwnVm> {
    const template = this.#templateOf(wishes.template);
    const storage = wishes.storage === undefined ? undefined : await this.#storageOf(wishes.storage);
    const name = cloneName(this.#owner, spec.vmId, spec.fence, randomBytes(4).toString("hex"));
    this.#making.add(name);
    try {
      const options = { timeoutMs: this.#deadlines.cloneMs, signal };
      const ref =
        storage === undefined
          ? await this.#tasks.run("VM.clone", [template, name], options)
          : await this.#tasks.run("VM.copy", [template, name, storage], options);
      const record = await this.#client.call("VM.get_record", [ref]);
      const { vmId, incarnation, fence, restores = 0 } = spec;
      const tags: Tags = { vmId, incarnation, fence, graceMs: wishes.graceMs, restores };
      const config = tagged(record, this.#owner, tags);
      await this.#client.call("VM.set_other_config", [ref, config]);
      const own = { ...record, other_config: config };
      this.#inventory.put(ref, own);
      return { ref, record: own, tags };
    } finally {
      this.#making.delete(name);
    }
  }

  /** Gives a halted VM of ours to a newer reservation. */
  retag(vm: OwnVm, fence: number, wishes: Wishes): Promise<OwnVm> {
    return this.mark(vm, { fence, graceMs: wishes.graceMs });
  }

  async mark(vm: OwnVm, changed: Partial<Tags>): Promise<OwnVm> {
    const record = await this.#client.call("VM.get_record", [vm.ref]);
    const tags = { ...vm.tags, ...changed };
    const config = tagged(record, this.#owner, tags);
    const ran = record.other_config[RAN_KEY];
    if (tags.fence === vm.tags.fence && ran !== undefined) config[RAN_KEY] = ran;
    await this.#client.call("VM.set_other_config", [vm.ref, config]);
    const own = { ...record, other_config: config };
    this.#inventory.put(vm.ref, own);
    return { ref: vm.ref, record: own, tags };
  }

  /** From whatever was done of it to running, with its keys saying so. */
  async bringUp(vm: OwnVm, wishes: Wishes, signal: AbortSignal): Promise<OwnVm | undefined> {
    const { ref } = vm;
    if (vm.record.power_state === "Suspended") {
      await this.resume(vm);
      return this.refresh(ref);
    }
    // Not given up half way: what a cancelled start did in the end, nobody could tell.
    const options = { timeoutMs: this.#deadlines.startMs };
    if (vm.record.is_a_template) {
      if (wishes.network !== undefined) await this.#connect(vm, wishes.network);
      await this.#tasks.run("VM.provision", [ref], options);
    }
    signal.throwIfAborted();
    await size(this.#client, ref, vm.record, wishes);
    signal.throwIfAborted();
    await this.#tasks.run("VM.start", [ref, false, false], options);
    await this.#client
      .call("VM.add_to_other_config", [ref, RAN_KEY, String(vm.tags.fence)])
      .catch((thrown) => {
        if (!hasCode(thrown, "MAP_DUPLICATE_KEY")) throw thrown;
      });
    return this.refresh(ref);
  }

  /** Its first interface on this network, the others left as the template has them. */
  async #connect(vm: OwnVm, wanted: string): Promise<void> {
    const networks = Object.entries(await this.#client.call("network.get_all_records", []));
    const network = only(networks, wanted, "network");
    const vifs = await Promise.all(
      vm.record.VIFs.map(async (ref) => ({ ref, ...(await this.#client.call("VIF.get_record", [ref])) })),
    );
    const first = vifs.find((vif) => vif.device === "0");
    if (first?.network === network) return;
    if (first !== undefined) await this.#client.call("VIF.destroy", [first.ref]);
    const defaults = {
      MAC: "",
      MTU: 1_500,
      other_config: {},
      qos_algorithm_type: "",
      qos_algorithm_params: {},
    };
    await this.#client.call("VIF.create", [{ ...defaults, device: "0", network, VM: vm.ref }]);
  }

  /** With its memory, where the guest has the tools for that. The reference of the snapshot. */
  async snapshot(vm: OwnVm, name: string): Promise<string> {
    const label = snapshotName(this.#owner, vm.tags.vmId, name, Date.now());
    const options = { timeoutMs: this.#deadlines.snapshotMs };
    const ref = await this.#tasks.run("VM.checkpoint", [vm.ref, label], options).catch((thrown) => {
      if (!hasCode(thrown, "VM_LACKS_FEATURE", "VM_MISSING_PV_DRIVERS")) throw thrown;
      return this.#tasks.run("VM.snapshot", [vm.ref, label], options);
    });
    await this.refresh(ref);
    return ref;
  }

  /**
   * Halted, or suspended where the snapshot has its memory, with the keys of `tags`. What it was is given up. The keys are the
   * snapshot's before it is gone back to, so that they are the VM's in the same moment, wherever this breaks off.
   */
  async revert(vm: OwnVm, snapshot: string, tags: Tags): Promise<OwnVm | undefined> {
    const { ref, record } = vm;
    const kept = await this.#client.call("VM.get_record", [snapshot]);
    const config = tagged(record, this.#owner, tags);
    // One that comes back with its memory is a guest at once.
    if (kept.suspend_VDI !== NULL_REF) config[RAN_KEY] = String(tags.fence);
    await this.#client.call("VM.set_other_config", [snapshot, config]);
    // First: one that is halted and says that it ran was halted by somebody else.
    if (record.other_config[RAN_KEY] !== undefined) {
      await this.#client.call("VM.remove_from_other_config", [ref, RAN_KEY]);
    }
    if (record.power_state !== "Halted") await this.#switchOff(ref);
    await this.#tasks.run("VM.revert", [snapshot], { timeoutMs: this.#deadlines.revertMs });
    return this.refresh(ref);
  }

  async dropSnapshot(ref: string): Promise<void> {
    await this.#destroyHalted(ref);
    this.#inventory.remove(ref);
  }

  pause(ref: string): Promise<unknown> {
    return this.#client.call("VM.pause", [ref]);
  }

  async resume(vm: OwnVm): Promise<void> {
    if (vm.record.power_state === "Paused") await this.#client.call("VM.unpause", [vm.ref]);
    else await this.#tasks.run("VM.resume", [vm.ref, false, false], { timeoutMs: this.#deadlines.resumeMs });
  }

  /** Halted, cleanly where it can be, and its keys say that we did it. */
  async halt(vm: OwnVm): Promise<void> {
    const { ref, record, tags } = vm;
    if (record.power_state !== "Halted") {
      const isClean = record.power_state === "Running" && tags.graceMs > 0;
      if (!isClean || !(await this.#shutDown(ref, tags.graceMs))) await this.#switchOff(ref);
    }
    if (record.other_config[RAN_KEY] !== undefined) {
      await this.#client.call("VM.remove_from_other_config", [ref, RAN_KEY]);
    }
    await this.refresh(ref);
  }

  /** False when the guest would not. */
  async #shutDown(ref: string, graceMs: number): Promise<boolean> {
    try {
      await this.#tasks.run("VM.clean_shutdown", [ref], { timeoutMs: graceMs });
      return true;
    } catch (thrown) {
      if (isHaltedAlready(thrown)) return true;
      const cannot = hasCode(
        thrown,
        "VM_LACKS_FEATURE",
        "VM_MISSING_PV_DRIVERS",
        "VM_SHUTDOWN_TIMEOUT",
        "VM_FAILED_SHUTDOWN_ACKNOWLEDGMENT",
        "TASK_CANCELLED",
        "VM_BAD_POWER_STATE",
      );
      const isLate = thrown instanceof XapiUnreachable && thrown.kind === "timeout";
      if (cannot || isLate) return false;
      throw thrown;
    }
  }

  async #switchOff(ref: string): Promise<void> {
    try {
      await this.#tasks.run("VM.hard_shutdown", [ref], { timeoutMs: this.#deadlines.hardShutdownMs });
    } catch (thrown) {
      if (!isHaltedAlready(thrown)) throw thrown;
    }
  }

  /**
   * Removes a VM with its disks and its snapshots with theirs. Disks go before the record that names them: broken off
   * anywhere, what is left is still found. A disk that another VM has too is left to it.
   */
  async destroy(ref: string): Promise<void> {
    const record = await this.#present(ref);
    if (record !== undefined) {
      if (record.power_state !== "Halted") await this.#switchOff(ref);
      for (const snapshot of record.snapshots) await this.#destroyHalted(snapshot);
      await this.#destroyHalted(ref);
    }
    this.#inventory.remove(ref);
  }

  async #destroyHalted(ref: string): Promise<void> {
    const record = await this.#present(ref);
    if (record === undefined) return;
    const disks = await Promise.all(record.VBDs.map((vbd) => this.#ownDisk(vbd)));
    for (const vdi of [...disks, record.suspend_VDI]) {
      if (vdi !== undefined && vdi !== NULL_REF) await gone(this.#client.call("VDI.destroy", [vdi]));
    }
    await gone(this.#client.call("VM.destroy", [ref]));
  }

  #present(ref: string): Promise<VmRecord | undefined> {
    return gone(this.#client.call("VM.get_record", [ref]));
  }

  /** The disk behind a VBD when nobody else has it. */
  async #ownDisk(vbd: string): Promise<string | undefined> {
    const record = await gone(this.#client.call("VBD.get_record", [vbd]));
    if (record === undefined || record.type !== "Disk" || record.empty || record.VDI === NULL_REF)
      return undefined;
    const disk = await gone(this.#client.call("VDI.get_record", [record.VDI]));
    return disk !== undefined && disk.VBDs.length <= 1 ? record.VDI : undefined;
  }

  /** Ends clones that nobody waits for and that never got their keys. */
  async sweep(): Promise<void> {
    for (const ref of this.#inventory.halfMade()) {
      const name = this.#inventory.record(ref)?.name_label ?? "";
      if (!this.#making.has(name)) await this.destroy(ref);
    }
  }

  #templateOf(wanted: string): string {
    const named = [...this.#inventory.entries()].filter(
      ([, vm]) => !vm.is_a_snapshot && (vm.name_label === wanted || vm.uuid === wanted),
    );
    const templates = named.filter(([, vm]) => vm.is_a_template);
    if (templates.length > 0) return only(templates, wanted, "template");
    if (named.length > 0) {
      throw new DriverError(
        "BAD_REQUEST",
        `"${wanted}" is a VM, not a template: shut it down and convert it (xe vm-param-set is-a-template=true), or name a template`,
      );
    }
    const known = [...this.#inventory.entries()].filter(([, vm]) => vm.is_a_template && !vm.is_a_snapshot);
    const names = known.map(([, vm]) => vm.name_label).filter((name) => !name.startsWith("bioxen/"));
    throw new DriverError(
      "BAD_REQUEST",
      `the pool has no template "${wanted}": make one, or name one of its own with config.template (${[...new Set(names)].slice(0, 20).join(", ")})`,
    );
  }

  async #storageOf(wanted: string): Promise<string> {
    return only(
      Object.entries(await this.#client.call("SR.get_all_records", [])),
      wanted,
      "storage repository",
    );
  }
}

/** The one object of this name or uuid. Throws `BAD_REQUEST` when there is none, or several. */
function only(
  found: readonly (readonly [string, { readonly uuid: string; readonly name_label: string }])[],
  wanted: string,
  what: string,
): string {
  const matching = found.filter(([, { uuid, name_label }]) => uuid === wanted || name_label === wanted);
  const [first] = matching;
  if (first !== undefined && matching.length === 1) return first[0];
  const why =
    first === undefined ? `the pool has no ${what} "${wanted}"` : `several ${what}s are called "${wanted}"`;
  throw new DriverError("BAD_REQUEST", `${why}: name it by its uuid`);
}

/** What is gone is done. */
async function gone<T>(call: Promise<T>): Promise<T | undefined> {
  return call.catch((thrown) => {
    if (hasCode(thrown, "HANDLE_INVALID")) return undefined;
    throw thrown;
  });
}

function isHaltedAlready(thrown: unknown): boolean {
  return hasCode(thrown, "VM_BAD_POWER_STATE") && thrown.params.at(-1)?.toLowerCase() === "halted";
}
