/**
 * Reports about a start that its host refuses, or that takes long.
 *
 * Lifecycle decides what follows a refusal: the VM waits for room, the start is tried again, or the VM fails. This file
 * only says what the host answered, and which try it was.
 */
import type { Vm } from "@bioxen/contracts";
import type { ServicePorts } from "@bioxen/kernel";
import type { DriverError, GuestEvent } from "@bioxen/vm-driver";
import type { Report, Reports } from "./reports.ts";

/** Shortest time between two reports of the progress of one start, ms: a fraction of the patience of lifecycle. */
export const PROGRESS_EVERY_MS = 10_000;

type Progress = GuestEvent & { readonly kind: "progress" };

/**
 * Returns the report of a refused start. Returns undefined when the host did not refuse the start: it failed for good,
 * or the host did not answer.
 */
export function refusalReport(vmId: string, vm: Vm, fence: number, error: DriverError): Report | undefined {
  const hasNoRoom = error.code === "CAPACITY_EXCEEDED";
  if (!hasNoRoom && (!error.retryable || error.hostCode === undefined)) return undefined;
  return {
    vmId,
    fence,
    observed: "start-refused",
    code: hasNoRoom ? "CAPACITY_EXCEEDED" : "UNAVAILABLE",
    reason: error.message,
    tries: (vm.refusedStart?.tries ?? 0) + 1,
    ...(error.hostCode === undefined ? {} : { hostCode: error.hostCode }),
  };
}

/** Returns the time before which this start must not be tried again, epoch ms; 0 when it may be tried at once. */
export function startDueAtMs({ refusedStart }: Vm, fence: number): number {
  return refusedStart?.fence === fence ? refusedStart.retryAtMs : 0;
}

export class StartProgressReports {
  readonly #ports: Pick<ServicePorts, "clock" | "logger">;
  readonly #reports: Pick<Reports, "send">;
  /** By VM id, when its last report was sent, epoch ms. */
  readonly #sentAtMs = new Map<string, number>();

  constructor(ports: Pick<ServicePorts, "clock" | "logger">, reports: Pick<Reports, "send">) {
    this.#ports = ports;
    this.#reports = reports;
  }

  /** Reports the progress, at most once per {@link PROGRESS_EVERY_MS} and VM. A report that fails is not repeated. */
  note({ vmId, fence, permille }: Progress): void {
    const nowMs = this.#ports.clock.nowMs();
    if (permille < 1 || nowMs - (this.#sentAtMs.get(vmId) ?? 0) < PROGRESS_EVERY_MS) return;
    this.#sentAtMs.set(vmId, nowMs);
    const report: Report = { vmId, fence, observed: "start-progressed", permille: Math.min(permille, 1000) };
    this.#reports.send(report).catch((thrown: unknown) => {
      this.#ports.logger.debug({ vmId, err: thrown }, "the progress of a start was not reported");
    });
  }

  /** Forgets the VM once its start has ended. */
  forget(vmId: string): void {
    this.#sentAtMs.delete(vmId);
  }
}
