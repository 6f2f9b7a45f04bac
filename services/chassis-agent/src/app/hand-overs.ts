/**
 * Takes guests down whose VMs have a place elsewhere, and hands over what was in them.
 */
import type { VmDriver } from "@bioxen/vm-driver";
import type { GuestStates } from "./guest-states.ts";
import type { Report } from "./reports.ts";

export class HandOvers {
  readonly #states: GuestStates;
  readonly #onDown: (vmId: string) => void;
  /** Guests that are down and whose VMs have not moved yet, with their states. */
  readonly #reports = new Map<string, Report>();

  constructor(states: GuestStates, onDown: (vmId: string) => void) {
    this.#states = states;
    this.#onDown = onDown;
  }

  /**
   * The guest stands still while its state is taken, and goes down once that is stored. One whose state cannot be kept, and would
   * be lost, stays where it is. Returns what is to be reported.
   */
  async handOver(driver: Pick<VmDriver, "pause" | "stop">, vmId: string, fence: number): Promise<Report> {
    await driver.pause(vmId, fence);
    const taken = await this.#states.takeCheckpoint(vmId, fence);
    if (taken === null && this.#states.isKept(vmId)) {
      const reason = "its guest holds what cannot be kept: see its log";
      return { vmId, fence, observed: "not-handed-over", reason };
    }
    await driver.stop(vmId, fence);
    this.#onDown(vmId);
    this.#reports.set(vmId, { vmId, fence, observed: "handed-over", ...(taken ?? {}) });
    return this.reportOf(vmId, fence);
  }

  /** Said again until the log has it, with the state; an agent that has forgotten it says so without. */
  reportOf(vmId: string, fence: number): Report {
    const known = this.#reports.get(vmId);
    return known?.fence === fence ? known : { vmId, fence, observed: "handed-over" };
  }

  forget(vmId: string): void {
    this.#reports.delete(vmId);
  }
}
