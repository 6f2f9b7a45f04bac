/**
 * Pauses guests whose VMs have a reservation on another chassis, and hands their states over.
 *
 * The paused guest stays until its VM has moved, and is ended then. If the move is cancelled, it resumes. Stopping it
 * at once would be final, because a driver never starts a guest again on a fence that was stopped.
 */
import type { VmDriver } from "@bioxen/vm-driver";
import type { GuestStates } from "./guest-states.ts";
import type { Report } from "./reports.ts";

export class HandOvers {
  readonly #states: GuestStates;
  /** Reports of hand-overs whose VMs have not moved yet. */
  readonly #reports = new Map<string, Report>();

  constructor(states: GuestStates) {
    this.#states = states;
  }

  /**
   * Pauses the guest, stores its state once, and returns the report to send. If the guest's type has checkpoints but
   * this state cannot be stored, the report is `not-handed-over`, and the guest stays, so that its state is not lost.
   */
  async handOver(driver: Pick<VmDriver, "pause">, vmId: string, fence: number): Promise<Report> {
    const known = this.#reports.get(vmId);
    if (known?.fence === fence) return known;
    await driver.pause(vmId, fence);
    const taken = await this.#states.takeCheckpoint(vmId, fence);
    if (taken === null && this.#states.hasCheckpoints(vmId)) {
      const reason = "the guest's state cannot be stored: see the VM's log";
      return { vmId, fence, observed: "not-handed-over", reason };
    }
    const report: Report = { vmId, fence, observed: "handed-over", ...(taken ?? {}) };
    this.#reports.set(vmId, report);
    return report;
  }

  /** Drops the report of a VM that has moved or whose move was cancelled. */
  forget(vmId: string): void {
    this.#reports.delete(vmId);
  }
}
