/**
 * Operations on VMs. Each operation is checked, lasts `operationMs` and then takes effect. An operation that is
 * cancelled within that time has no effect.
 */
import { setTimeout as delay } from "node:timers/promises";
import * as copies from "./copies.ts";
import { NULL } from "./copies.ts";
import { assertKeepsPlan } from "./failover-plan.ts";
import {
  assertAllowed,
  assertPowerState,
  LIFECYCLE,
  type PowerState,
  type VmOperation,
} from "./lifecycle.ts";
import type { Pool } from "./pool.ts";
import { Refusal } from "./refusal.ts";
import type { FakeRecord } from "./schema.ts";
import { revertDevices, revertFields, snapshot, vmOfSnapshot } from "./snapshots.ts";

/** Number of steps in which a copy reports its progress. */
const COPY_STEPS = 10;

export class Operations {
  readonly #pool: Pool;
  #nextOperation = 1;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /**
   * Runs one operation on a VM: checks that the operation is allowed, waits `operationMs`, then calls `effect` and
   * resolves with its result. Rejects with `Refusal` when the operation is not allowed or is cancelled. Until this
   * operation has ended, the VM rejects every other operation that may not run beside it (see `lifecycle.ts`).
   */
  async run<T>(
    vm: string,
    operation: VmOperation,
    effect: () => T | Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const { db, options } = this.#pool;
    assertAllowed(vm, db.get("VM", vm), operation, this.hasTools());
    const id = `OpaqueRef:operation-${this.#nextOperation}`;
    this.#nextOperation += 1;
    const current = () => ({ ...(db.get("VM", vm)["current_operations"] as Record<string, string>) });
    db.update("VM", vm, { current_operations: { ...current(), [id]: operation } });
    try {
      await this.#lasts(vm, options.operationMs, signal);
      // Another operation or a crash of the guest may have changed the state meanwhile.
      assertStill(vm, db.get("VM", vm), operation);
      return await effect();
    } finally {
      if (db.find("VM", vm) !== undefined) {
        const { [id]: _, ...others } = current();
        db.update("VM", vm, { current_operations: others });
      }
    }
  }

  /** Waits `ms` milliseconds. Rejects with `TASK_CANCELLED` when the task of the operation is cancelled. */
  async #lasts(vm: string, ms: number, signal?: AbortSignal): Promise<void> {
    await delay(ms, undefined, signal === undefined ? {} : { signal }).catch(() => {
      throw new Refusal("TASK_CANCELLED", vm);
    });
  }

  /** Returns whether guests have the guest tools installed. */
  hasTools(): boolean {
    return !this.#pool.faults.switches.guestsLackTools;
  }

  start(vm: string, startPaused: boolean, signal?: AbortSignal): Promise<void> {
    const effect = async (): Promise<void> => {
      assertCores(this.#pool.db.get("VM", vm));
      await this.#enter(vm, startPaused ? "Paused" : "Running");
      this.#alwaysRun(vm, true);
    };
    return this.run(vm, "start", effect, signal);
  }

  resume(vm: string, startPaused: boolean, signal?: AbortSignal): Promise<void> {
    const effect = async (): Promise<void> => {
      await this.#enter(vm, startPaused ? "Paused" : "Running");
      await this.#pool.options.agents?.listening(vm);
      copies.dropMemoryImage(this.#pool, vm);
    };
    return this.run(vm, "resume", effect, signal);
  }

  suspend(vm: string, signal?: AbortSignal): Promise<void> {
    return this.run(vm, "suspend", () => this.#suspend(vm), signal);
  }

  /** Starts the guest's agent, if the fake runs agents. What the guest writes in xenstore appears in its VM's record. */
  async #beginAgent(vm: string): Promise<void> {
    const { db, options } = this.#pool;
    const data = db.get("VM", vm)["xenstore_data"] as Record<string, string>;
    await options.agents?.begin({
      vm,
      disk: copies.disksOf(this.#pool, vm)[0],
      xenstoreData: data,
      onXenstore: (now) => {
        // xapi_xenops.ml, `update_vm`: the field is replaced by what xenopsd has read of the domain.
        if (db.find("VM", vm)?.["domid"] !== -1) db.update("VM", vm, { xenstore_data: now });
      },
    });
  }

  /**
   * Writes the memory to a new disk and suspends the VM (xapi_xenops.ml, `suspend`). Without a storage repository for
   * memory images the VM goes on running (helpers.ml, `choose_suspend_sr`).
   */
  async #suspend(vm: string): Promise<void> {
    const { db, faults, options } = this.#pool;
    if (faults.switches.noSuspendStorage) throw new Refusal("VM_NO_SUSPEND_SR", vm);
    await options.agents?.terminate(vm);
    const image = copies.memoryImage(this.#pool);
    this.leave(vm, "Suspended");
    db.update("VM", vm, { suspend_VDI: image });
  }

  /**
   * Takes a checkpoint. A running VM is suspended, copied and resumed, so other clients see it suspended meanwhile
   * (xapi_vm_snapshot.ml, `checkpoint`).
   */
  checkpoint(vm: string, name: string, signal?: AbortSignal): Promise<string> {
    const effect = async (): Promise<string> => {
      const before = this.#stateOf(vm);
      if (before !== "Running") return snapshot(this.#pool, vm, name, true, before);
      await this.#suspend(vm);
      try {
        await this.#lasts(vm, this.#pool.options.operationMs, signal);
        return snapshot(this.#pool, vm, name, true, before);
      } finally {
        await this.#enter(vm, "Running");
        await this.#pool.options.agents?.listening(vm);
        copies.dropMemoryImage(this.#pool, vm);
      }
    };
    return this.run(vm, "checkpoint", effect, signal);
  }

  /** Copies a VM with all data of its disks. The task reports its progress (xapi_vm_clone.ml, `wait_for_subtask`). */
  copy(
    vm: string,
    name: string,
    signal?: AbortSignal,
    onProgress?: (progress: number) => void,
  ): Promise<string> {
    const effect = async (): Promise<string> => {
      for (let step = 1; step <= COPY_STEPS; step += 1) {
        await this.#lasts(vm, this.#pool.options.copyMs / COPY_STEPS, signal);
        onProgress?.(step / COPY_STEPS);
      }
      return copies.clone(this.#pool, vm, name);
    };
    return this.run(vm, "copy", effect, signal);
  }

  snapshot(vm: string, name: string, signal?: AbortSignal): Promise<string> {
    const effect = () => snapshot(this.#pool, vm, name, false, this.#stateOf(vm));
    return this.run(vm, "snapshot", effect, signal);
  }

  /**
   * Reverts a VM to a snapshot: shuts the VM down hard, then replaces its fields, then its devices
   * (message_forwarding.ml, `revert`). A revert cannot be cancelled. When it fails after it has removed disks, the VM is
   * halted (xapi_vm_snapshot.ml, `revert`).
   */
  revert(snapshotRef: string): Promise<void> {
    const vm = vmOfSnapshot(this.#pool, snapshotRef);
    return this.run(snapshotRef, "revert", () =>
      this.run(vm, "reverting", async () => {
        if (this.#stateOf(vm) !== "Halted") await this.hardShutdown(vm);
        revertFields(this.#pool, snapshotRef, vm);
        await this.#lasts(vm, this.#pool.options.operationMs);
        try {
          revertDevices(this.#pool, snapshotRef, vm);
        } catch {
          copies.resetState(this.#pool, vm, "Halted");
          throw new Refusal("VM_REVERT_FAILED", snapshotRef, vm);
        }
      }),
    );
  }

  #stateOf(vm: string): PowerState {
    return this.#pool.db.get("VM", vm)["power_state"] as PowerState;
  }

  pause(vm: string): Promise<void> {
    return this.run(vm, "pause", () => {
      this.#pool.options.agents?.pause(vm);
      this.#pool.db.update("VM", vm, { power_state: "Paused" });
    });
  }

  unpause(vm: string): Promise<void> {
    return this.run(vm, "unpause", async () => {
      this.#pool.db.update("VM", vm, { power_state: "Running" });
      await this.#beginAgent(vm);
      this.#pool.options.agents?.resume(vm);
    });
  }

  async cleanShutdown(vm: string, signal?: AbortSignal): Promise<void> {
    const { faults } = this.#pool;
    const isIgnored = (): boolean => faults.switches.guestsIgnoreShutdown;
    await this.run(
      vm,
      "clean_shutdown",
      async () => {
        this.#alwaysRun(vm, false);
        if (isIgnored()) return;
        await this.#pool.options.agents?.terminate(vm);
        this.leave(vm, "Halted");
      },
      signal,
    );
    while (isIgnored() && this.#pool.db.find("VM", vm)?.["power_state"] === "Running") {
      if (signal?.aborted === true) throw new Refusal("TASK_CANCELLED", vm);
      await delay(5);
    }
  }

  /**
   * Halts a VM. The memory image of a suspended VM or of a suspended snapshot is destroyed (xapi_vm.ml,
   * `hard_shutdown`).
   */
  hardShutdown(vm: string, signal?: AbortSignal): Promise<void> {
    const effect = (): void => {
      if (this.#pool.db.get("VM", vm)["power_state"] === "Suspended") copies.dropMemoryImage(this.#pool, vm);
      this.#alwaysRun(vm, false);
      this.leave(vm, "Halted");
    };
    return this.run(vm, "hard_shutdown", effect, signal);
  }

  /** A start sets `ha_always_run` of a protected VM, and a shutdown clears it (xapi_vm.ml, `start`, `clean_shutdown`). */
  #alwaysRun(vm: string, value: boolean): void {
    if (this.#pool.db.get("VM", vm)["ha_restart_priority"] === "restart" || !value) {
      this.#pool.db.update("VM", vm, { ha_always_run: value });
    }
  }

  migrate(vm: string, host: string, signal?: AbortSignal): Promise<void> {
    const { db } = this.#pool;
    db.get("host", host);
    return this.run(vm, "pool_migrate", () => db.update("VM", vm, { resident_on: host }), signal);
  }

  destroy(vm: string, signal?: AbortSignal): Promise<void> {
    const effect = (): void => {
      if (this.#pool.db.get("VM", vm)["is_default_template"] === true) {
        throw new Refusal("VM_CANNOT_DELETE_DEFAULT_TEMPLATE", vm);
      }
      copies.removeVm(this.#pool, vm);
    };
    return this.run(vm, "destroy", effect, signal);
  }

  async #enter(vm: string, state: "Running" | "Paused"): Promise<void> {
    const { db } = this.#pool;
    const record = db.get("VM", vm);
    const host = this.#pool.hostFor(record);
    assertKeepsPlan(this.#pool, record, host);
    const address = this.hasTools() ? await this.#pool.addressFor(vm) : undefined;
    db.update("VM", vm, { power_state: state, resident_on: host, domid: this.#pool.nextDomain() });
    db.update("VM_metrics", record["metrics"] as string, {
      start_time: this.#pool.now(),
      memory_actual: record["memory_dynamic_max"],
      VCPUs_number: record["VCPUs_at_startup"],
    });
    for (const vbd of record["VBDs"] as string[]) db.update("VBD", vbd, { currently_attached: true });
    for (const vif of record["VIFs"] as string[]) db.update("VIF", vif, { currently_attached: true });
    // A guest that starts paused has not run its first instruction.
    if (state === "Running") await this.#beginAgent(vm);
    if (!this.hasTools()) return;
    const metrics = db.add("VM_guest_metrics", {
      networks: address === undefined ? {} : { "0/ip": address },
      os_version: { name: "a fake guest" },
      live: true,
      PV_drivers_detected: true,
      last_updated: this.#pool.now(),
    });
    db.update("VM", vm, { guest_metrics: metrics });
  }

  /**
   * Halts or suspends a VM, and closes its SSH server. The devices of a halted VM are detached; those of a suspended VM
   * stay attached (xapi_xenops.ml, `update_vm`).
   */
  leave(vm: string, state: "Halted" | "Suspended"): void {
    const { db } = this.#pool;
    const record = db.get("VM", vm);
    db.remove("VM_guest_metrics", record["guest_metrics"] as string);
    this.#pool.options.ssh?.end(vm);
    this.#pool.options.agents?.kill(vm);
    db.update("VM", vm, { guest_metrics: NULL });
    copies.resetState(this.#pool, vm, state);
  }
}

/** Throws `VM_BAD_POWER_STATE` unless the operation is allowed in the VM's present state. */
function assertStill(ref: string, vm: FakeRecord, operation: VmOperation): void {
  const rule = LIFECYCLE[operation];
  if (rule !== undefined) assertPowerState(ref, vm, operation, rule);
}

/** Throws unless the number of virtual CPUs is a multiple of the cores per socket (vm_platform.ml, `sanity_check`). */
function assertCores({ platform, VCPUs_max }: FakeRecord): void {
  const cores = (platform as Record<string, string>)["cores-per-socket"];
  if (cores === undefined || Number(VCPUs_max) % Number(cores) === 0) return;
  throw new Refusal("VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE", String(VCPUs_max), cores);
}
