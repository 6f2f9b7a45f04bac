/**
 * Machines that the pool's high availability is about to restart.
 *
 * When a host fails, the pool marks its machines as halted, and then starts the protected ones on other hosts
 * (xapi-project/xen-api, xapi_ha_vm_failover.ml, `restart_auto_run_vms`). Such a machine counts as running for
 * {@link HA_RESTART_MS} by default: BioXen follows the restart, and does not start or fail the VM itself. A shutdown by a user of
 * the pool clears `ha_always_run`, so it is not taken for a failure of the host.
 */
import type { VmRecord } from "../xapi/records.ts";
import { HA_RESTART_MS } from "./limits.ts";

export interface PoolRestart {
  /** Reference of the host that the machine ran on. */
  readonly host: string;
  /** Time until which the pool may restart the machine, epoch ms. */
  readonly untilMs: number;
}

export class PoolRestarts {
  /** Whether the pool's high availability is on. */
  isEnabled = false;
  readonly #waitMs: number;
  readonly #halted = new Map<string, PoolRestart>();

  constructor(waitMs: number = HA_RESTART_MS) {
    this.#waitMs = waitMs;
  }

  /** Call it with each new record of a machine of this agent. */
  note(ref: string, before: VmRecord | undefined, after: VmRecord): void {
    if (after.power_state !== "Halted" || !this.isEnabled || !isRestartedByPool(after)) {
      this.#halted.delete(ref);
      return;
    }
    if (before?.power_state === "Halted" || this.#halted.has(ref)) return;
    this.#halted.set(ref, { host: before?.resident_on ?? "", untilMs: Date.now() + this.#waitMs });
  }

  /** Returns the restart that the machine waits for; undefined when it waits for none. */
  of(ref: string): PoolRestart | undefined {
    return this.#halted.get(ref);
  }

  forget(ref: string): void {
    this.#halted.delete(ref);
  }
}

export function isAwaited(restart: PoolRestart | undefined): restart is PoolRestart {
  return restart !== undefined && Date.now() < restart.untilMs;
}

/**
 * Returns whether the pool restarts the VM after the failure of its host (xapi_ha_vm_failover.ml,
 * `restart_auto_run_vms`): always with the priority `restart`, if there is room with `best-effort`.
 */
function isRestartedByPool({ ha_restart_priority, ha_always_run }: VmRecord): boolean {
  return ha_restart_priority === "best-effort" || (ha_restart_priority === "restart" && ha_always_run);
}

/** Returns whether the pool keeps memory for the restart of the VM. */
export function isProtected({ ha_restart_priority, ha_always_run }: VmRecord): boolean {
  return ha_restart_priority === "restart" && ha_always_run;
}
