/**
 * Operations on one VM of the pool. The caller runs at most one operation per VM at a time.
 *
 * Each step checks the present state and does only what is missing, so that calling an interrupted operation again
 * finishes it. The driver finds its VMs by keys in their `other_config` (`tags.ts`). A new clone does not have these
 * keys yet; until they are set, the name of the clone says which start made the clone.
 */
import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { GuestSpec } from "@bioxen/vm-driver";
import type { XapiClient } from "../xapi/client.ts";
import { hasCode, XapiUnreachable } from "../xapi/errors.ts";
import type { VmRecord } from "../xapi/records.ts";
import type { Tasks } from "../xapi/tasks.ts";
import { needsCell } from "./cell-settings.ts";
import { withIdentity } from "./guest-identity.ts";
import type { Inventory, OwnVm } from "./inventory.ts";
import type { Deadlines } from "./limits.ts";
import type { MachineSettings } from "./machine-settings.ts";
import type { Ownership } from "./ownership.ts";
import { objectNamed, templateNamed } from "./pool-names.ts";
import { size } from "./sizing.ts";
import { CELL_KEY, cloneName, hasRun, RAN_KEY, restoreTagsOf, type Tags, tagged } from "./tags.ts";
import type { VmReads } from "./vm-reads.ts";

export interface PoolVmsOptions {
  readonly client: XapiClient;
  readonly tasks: Tasks;
  readonly inventory: Inventory;
  readonly reads: VmReads;
  readonly ownership: Ownership;
  /** Writes the name, the description and the tags that an administrator of the pool sees. */
  readonly label: (vm: OwnVm) => Promise<void>;
  readonly deadlines: Deadlines;
  /** Simulated minutes per second of the cells in machines. */
  readonly timeScale: number;
}

export class PoolVms {
  readonly #client: XapiClient;
  readonly #tasks: Tasks;
  readonly #inventory: Inventory;
  readonly #ownership: Ownership;
  readonly #label: (vm: OwnVm) => Promise<void>;
  readonly #deadlines: Deadlines;
  readonly #timeScale: number;
  readonly #reads: VmReads;
  /** Names of the clones that this process is making. */
  readonly #making = new Set<string>();

  constructor({ client, tasks, inventory, ownership, label, deadlines, ...options }: PoolVmsOptions) {
    this.#deadlines = deadlines;
    this.#timeScale = options.timeScale;
    this.#reads = options.reads;
    this.#client = client;
    this.#tasks = tasks;
    this.#inventory = inventory;
    this.#ownership = ownership;
    this.#label = label;
  }

  /**
   * Clones a template into a halted VM for `spec`, and calls `onProgress` with the progress of the copy. Sets the clone's `other_config` keys, but does not provision
   * it.
   */
  async make(
    spec: GuestSpec,
    settings: MachineSettings,
    signal: AbortSignal,
    onProgress: (permille: number) => void,
  ): Promise<OwnVm> {
    const template = templateNamed(this.#inventory, settings.template);
    const storage = settings.storage === undefined ? undefined : await this.#storageNamed(settings.storage);
    const reservation = await this.#ownership.reservation(spec.vmId, spec.fence);
    const name = cloneName(this.#ownership.owner, spec.vmId, spec.fence, randomBytes(4).toString("hex"));
    this.#making.add(name);
    try {
      const options = { stallMs: this.#deadlines.cloneMs, signal, onProgress };
      const ref =
        storage === undefined
          ? await this.#tasks.run("VM.clone", [template, name], options)
          : await this.#tasks.run("VM.copy", [template, name, storage], options);
      const record = await this.#client.call("VM.get_record", [ref]);
      const { vmId, incarnation, fence, restores = 0 } = spec;
      const { graceMs } = settings;
      const cellDue = needsCell(spec);
      const tags: Tags = { vmId, incarnation, fence, reservation, graceMs, restores, cellDue };
      return await this.#writeTags(ref, record, tags);
    } finally {
      this.#making.delete(name);
    }
  }

  /** Assigns a halted VM to the reservation of `spec`. */
  async retag(vm: OwnVm, spec: GuestSpec, { graceMs }: MachineSettings): Promise<OwnVm> {
    const { vmId, fence } = spec;
    const reservation = await this.#ownership.reservation(vmId, fence);
    return this.setTags(vm, { fence, reservation, graceMs, cellDue: needsCell(spec) });
  }

  /** Writes `changed` into the VM's `other_config` keys. A new fence clears the mark that the VM has run. */
  async setTags(vm: OwnVm, changed: Partial<Tags>): Promise<OwnVm> {
    const record = await this.#client.call("VM.get_record", [vm.ref]);
    const tags = { ...vm.tags, ...changed };
    const ran = tags.fence === vm.tags.fence ? record.other_config[RAN_KEY] : undefined;
    return this.#writeTags(vm.ref, record, tags, ran);
  }

  /**
   * Makes a machine of another owner this agent's. The caller has checked the record; if the machine has another owner
   * by now, rejects with `UNAVAILABLE`. A machine that is up counts as having run under the new fence, so that it goes on
   * without a restart.
   */
  async takeOver(ref: string, record: VmRecord, tags: Tags): Promise<OwnVm> {
    const restoreTags = restoreTagsOf(record);
    const others = record.tags.filter((tag) => !restoreTags.includes(tag));
    const ran = record.power_state === "Halted" ? undefined : String(tags.fence);
    const own = await this.#ownership.whileTaking(record, () =>
      this.#writeTags(ref, { ...record, tags: others }, tags, ran),
    );
    // The restores of the earlier VM do not count for the new one.
    for (const tag of restoreTags) await this.#client.call("VM.remove_tags", [ref, tag]);
    return own;
  }

  async #writeTags(ref: string, record: VmRecord, tags: Tags, ran?: string): Promise<OwnVm> {
    const config = tagged(record, this.#ownership.owner, tags);
    if (ran !== undefined) config[RAN_KEY] = ran;
    await this.#client.call("VM.set_other_config", [ref, config]);
    const own = { ref, record: { ...record, other_config: config }, tags };
    this.#ownership.note(own.record, tags);
    this.#inventory.put(ref, own.record);
    await this.#label(own);
    return own;
  }

  /** Tells a machine that is not up which VM it is. */
  async introduce(vm: OwnVm, spec: GuestSpec): Promise<OwnVm> {
    const { ref, record } = vm;
    const data = withIdentity(record, spec, this.#timeScale);
    if (isDeepStrictEqual(data, record.xenstore_data)) return vm;
    await this.#client.call("VM.set_xenstore_data", [ref, data]);
    this.#inventory.put(ref, { ...record, xenstore_data: data });
    return { ...vm, record: { ...record, xenstore_data: data } };
  }

  /**
   * Completes the start of a VM, from whatever step an earlier attempt reached, and marks the VM as having run. With
   * `isPaused` the machine is paused before its first instruction. Resolves with undefined when the VM no longer exists.
   */
  async bringUp(
    vm: OwnVm,
    settings: MachineSettings,
    signal: AbortSignal,
    isPaused = false,
  ): Promise<OwnVm | undefined> {
    const { ref } = vm;
    if (vm.record.power_state === "Suspended") {
      await this.resume(vm);
      return this.#reads.settle(ref, { power_state: "Running" });
    }
    // The provisioning and the start are not aborted: the outcome of a cancelled task would be unknown.
    const options = { stallMs: this.#deadlines.startMs };
    if (vm.record.is_a_template) {
      if (settings.network !== undefined) await this.#connect(vm, settings.network);
      await this.#tasks.run("VM.provision", [ref], options);
    }
    signal.throwIfAborted();
    await size(this.#client, ref, vm.record, settings);
    signal.throwIfAborted();
    await this.#tasks.run("VM.start", [ref, isPaused, false], options);
    await this.#markRan(vm);
    return this.#reads.settle(ref, { power_state: isPaused ? "Paused" : "Running" });
  }

  async #markRan({ ref, tags }: OwnVm): Promise<void> {
    await this.#client.call("VM.add_to_other_config", [ref, RAN_KEY, String(tags.fence)]).catch((thrown) => {
      if (!hasCode(thrown, "MAP_DUPLICATE_KEY")) throw thrown;
    });
  }

  /**
   * Continues the interrupted start of a VM that is up: the VM runs, and has the mark that it has run. Resolves with
   * undefined when the VM no longer exists.
   */
  async goOn(vm: OwnVm): Promise<OwnVm | undefined> {
    if (vm.record.power_state !== "Running") await this.resume(vm);
    await this.#markRan(vm);
    return this.#reads.settle(vm.ref, { power_state: "Running" });
  }

  /** Notes in the pool that the cell of the VM lives, so that its start is complete. */
  async noteCell({ ref, tags }: OwnVm): Promise<void> {
    if (!tags.cellDue) return;
    await this.#client.call("VM.remove_from_other_config", [ref, CELL_KEY]);
    await this.#reads.settle(ref);
  }

  /**
   * Connects the VM's first network interface to the network with this name or uuid. The VM's other interfaces stay as
   * the template has them.
   */
  async #connect(vm: OwnVm, nameOrUuid: string): Promise<void> {
    const networks = Object.entries(await this.#client.call("network.get_all_records", []));
    const network = objectNamed(networks, nameOrUuid, "network");
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

  async pause(ref: string): Promise<void> {
    await this.#client.call("VM.pause", [ref]);
    await this.#reads.settle(ref, { power_state: "Paused" });
  }

  async resume(vm: OwnVm): Promise<void> {
    if (vm.record.power_state === "Paused") await this.#client.call("VM.unpause", [vm.ref]);
    else await this.#tasks.run("VM.resume", [vm.ref, false, false], { stallMs: this.#deadlines.resumeMs });
    // A start that another user's revert to a snapshot with memory interrupted has removed the mark.
    if (!hasRun(vm.record, vm.tags.fence)) await this.#markRan(vm);
  }

  /**
   * Halts the VM and removes the mark that it has run. The guest has `graceMs`, and until the signal aborts, to shut
   * down cleanly; then its VM is switched off.
   */
  async halt(vm: OwnVm, graceMs = vm.tags.graceMs, signal?: AbortSignal): Promise<void> {
    const { ref, record } = vm;
    if (record.power_state !== "Halted") {
      const isClean = record.power_state === "Running" && graceMs > 0 && signal?.aborted !== true;
      if (!isClean || !(await this.#shutDown(ref, graceMs, signal))) await this.switchOff(ref);
    }
    const { [RAN_KEY]: ran, ...other_config } = record.other_config;
    if (ran !== undefined) await this.#client.call("VM.remove_from_other_config", [ref, RAN_KEY]);
    await this.#reads.settle(ref, { power_state: "Halted", other_config });
  }

  /**
   * Shuts the guest down cleanly. Resolves with false when the guest cannot or does not shut down within `graceMs`, or
   * before the signal aborts.
   */
  async #shutDown(ref: string, graceMs: number, signal?: AbortSignal): Promise<boolean> {
    try {
      await this.#tasks.run("VM.clean_shutdown", [ref], { stallMs: graceMs, isFixed: true, signal });
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
      const isTimeout = thrown instanceof XapiUnreachable && thrown.kind === "timeout";
      const isLate = isTimeout || signal?.aborted === true;
      if (cannot || isLate) return false;
      throw thrown;
    }
  }

  /** Halts the VM at once. Idempotent. */
  async switchOff(ref: string): Promise<void> {
    try {
      await this.#tasks.run("VM.hard_shutdown", [ref], { stallMs: this.#deadlines.hardShutdownMs });
    } catch (thrown) {
      if (!isHaltedAlready(thrown)) throw thrown;
    }
  }

  async #storageNamed(nameOrUuid: string): Promise<string> {
    const repositories = Object.entries(await this.#client.call("SR.get_all_records", []));
    return objectNamed(repositories, nameOrUuid, "storage repository");
  }

  /**
   * Resolves with the references of unfinished clones whose reservation the log has, except those that this process is
   * making now.
   */
  async abandonedClones(): Promise<readonly string[]> {
    const nameOf = (ref: string): string => this.#inventory.record(ref)?.name_label ?? "";
    const clones = this.#inventory.unfinishedClones().filter(({ ref }) => !this.#making.has(nameOf(ref)));
    const refs = clones.map(async ({ ref, vmId, fence }) =>
      (await this.#ownership.owner.reservationOf(vmId, fence)) === undefined ? [] : [ref],
    );
    return (await Promise.all(refs)).flat();
  }
}

/** Returns whether an operation failed because the VM is already halted. */
function isHaltedAlready(thrown: unknown): boolean {
  return hasCode(thrown, "VM_BAD_POWER_STATE") && thrown.params.at(-1)?.toLowerCase() === "halted";
}
