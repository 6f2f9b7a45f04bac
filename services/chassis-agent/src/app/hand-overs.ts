/**
 * Lets guests stand still whose VMs have a place elsewhere, and hands over what is in them.
 *
 * A guest that was handed over stays here, paused, until its VM has moved, and is ended then: should the move be taken back, it goes on
 * as if nothing had been. A driver starts nothing on a fence that it has stopped, so there is no way back from a stop.
 */
import type { VmDriver } from "@bioxen/vm-driver";
import type { GuestStates } from "./guest-states.ts";
import type { Report } from "./reports.ts";

export class HandOvers {
  readonly #states: GuestStates;
  /** Guests that stand still and whose VMs have not moved yet, with their states. */
  readonly #reports = new Map<string, Report>();

  constructor(states: GuestStates) {
    this.#states = states;
  }

  /**
   * The guest stands still from here on, and its state is stored, once. One whose state cannot be kept, and would be lost, stays where
   * it is. Returns what is to be reported.
   */
  async handOver(driver: Pick<VmDriver, "pause">, vmId: string, fence: number): Promise<Report> {
    const known = this.#reports.get(vmId);
    if (known?.fence === fence) return known;
    await driver.pause(vmId, fence);
    const taken = await this.#states.takeCheckpoint(vmId, fence);
    if (taken === null && this.#states.isKept(vmId)) {
      const reason = "its guest holds what cannot be kept: see its log";
      return { vmId, fence, observed: "not-handed-over", reason };
    }
    const report: Report = { vmId, fence, observed: "handed-over", ...(taken ?? {}) };
    this.#reports.set(vmId, report);
    return report;
  }

  forget(vmId: string): void {
    this.#reports.delete(vmId);
  }
}
