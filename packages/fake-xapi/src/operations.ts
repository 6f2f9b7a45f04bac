/**
 * Operations on VMs. Each operation is checked, lasts `operationMs` and then takes effect. An operation that is
 * cancelled within that time has no effect.
 */
import { setTimeout as delay } from "node:timers/promises";
import * as copies from "./copies.ts";
import { assertAllowed, LIFECYCLE, type VmOperation } from "./lifecycle.ts";
import type { Pool } from "./pool.ts";
import { Refusal } from "./refusal.ts";

const NULL = "OpaqueRef:NULL";

export class Operations {
  readonly #pool: Pool;
  #nextOperation = 1;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /**
   * Runs one operation on a VM: checks that the operation is allowed, waits `operationMs`, then calls `effect` and
   * resolves with its result. Rejects with `Refusal` when the operation is not allowed or is cancelled. Until this
   * operation has ended, the VM rejects every other operation that may not overtake it (see `lifecycle.ts`). A clone or
   * a copy blocks no other operation.
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
    // Several clients may clone a template at once.
    const isExclusive = operation !== "clone" && operation !== "copy";
    if (isExclusive) db.update("VM", vm, { current_operations: { ...current(), [id]: operation } });
    try {
      await delay(options.operationMs, undefined, signal === undefined ? {} : { signal }).catch(() => {
        throw new Refusal("TASK_CANCELLED", vm);
      });
      // Another operation or a crash of the guest may have changed the state meanwhile.
      assertStill(vm, db.get("VM", vm)["power_state"], operation);
      return await effect();
    } finally {
      if (isExclusive && db.find("VM", vm) !== undefined) {
        const { [id]: _, ...others } = current();
        db.update("VM", vm, { current_operations: others });
      }
    }
  }

  /** Returns whether guests have the guest tools installed. */
  hasTools(): boolean {
    return !this.#pool.faults.switches.guestsLackTools;
  }

  start(vm: string, startPaused: boolean, signal?: AbortSignal): Promise<void> {
    return this.run(vm, "start", () => this.#enter(vm, startPaused ? "Paused" : "Running"), signal);
  }

  resume(vm: string, startPaused: boolean, signal?: AbortSignal): Promise<void> {
    const effect = async (): Promise<void> => {
      await this.#enter(vm, startPaused ? "Paused" : "Running");
      copies.dropMemoryImage(this.#pool, vm);
    };
    return this.run(vm, "resume", effect, signal);
  }

  suspend(vm: string, signal?: AbortSignal): Promise<void> {
    const effect = (): void => {
      const image = copies.memoryImage(this.#pool);
      this.leave(vm, "Suspended");
      this.#pool.db.update("VM", vm, { suspend_VDI: image });
    };
    return this.run(vm, "suspend", effect, signal);
  }

  pause(vm: string): Promise<void> {
    return this.run(vm, "pause", () => this.#pool.db.update("VM", vm, { power_state: "Paused" }));
  }

  unpause(vm: string): Promise<void> {
    return this.run(vm, "unpause", () => this.#pool.db.update("VM", vm, { power_state: "Running" }));
  }

  async cleanShutdown(vm: string, signal?: AbortSignal): Promise<void> {
    const { faults } = this.#pool;
    const isIgnored = (): boolean => faults.switches.guestsIgnoreShutdown;
    await this.run(
      vm,
      "clean_shutdown",
      () => {
        if (!isIgnored()) this.leave(vm, "Halted");
      },
      signal,
    );
    while (isIgnored() && this.#pool.db.find("VM", vm)?.["power_state"] === "Running") {
      if (signal?.aborted === true) throw new Refusal("TASK_CANCELLED", vm);
      await delay(5);
    }
  }

  hardShutdown(vm: string, signal?: AbortSignal): Promise<void> {
    const effect = (): void => {
      if (this.#pool.db.get("VM", vm)["power_state"] === "Suspended") copies.dropMemoryImage(this.#pool, vm);
      this.leave(vm, "Halted");
    };
    return this.run(vm, "hard_shutdown", effect, signal);
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
    const address = this.hasTools() ? await this.#pool.addressFor(vm) : undefined;
    db.update("VM", vm, { power_state: state, resident_on: host, domid: this.#pool.nextDomain() });
    db.update("VM_metrics", record["metrics"] as string, {
      start_time: this.#pool.now(),
      memory_actual: record["memory_dynamic_max"],
      VCPUs_number: record["VCPUs_at_startup"],
    });
    for (const vbd of record["VBDs"] as string[]) db.update("VBD", vbd, { currently_attached: true });
    for (const vif of record["VIFs"] as string[]) db.update("VIF", vif, { currently_attached: true });
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

  /** Halts or suspends a VM: detaches its devices and closes its SSH server. */
  leave(vm: string, state: "Halted" | "Suspended"): void {
    const { db } = this.#pool;
    const record = db.get("VM", vm);
    for (const vbd of record["VBDs"] as string[]) db.update("VBD", vbd, { currently_attached: false });
    for (const vif of record["VIFs"] as string[]) db.update("VIF", vif, { currently_attached: false });
    db.remove("VM_guest_metrics", record["guest_metrics"] as string);
    this.#pool.options.ssh?.end(vm);
    db.update("VM", vm, { power_state: state, resident_on: NULL, domid: -1, guest_metrics: NULL });
  }
}

/** Throws `VM_BAD_POWER_STATE` unless the operation is allowed in the VM's present state. */
function assertStill(vm: string, state: unknown, operation: VmOperation): void {
  const rule = LIFECYCLE[operation];
  if (rule === undefined || rule.from.some((one) => one === state)) return;
  const expected = rule.from.map((one) => one.toLowerCase()).join(", ");
  throw new Refusal("VM_BAD_POWER_STATE", vm, expected, String(state).toLowerCase());
}
