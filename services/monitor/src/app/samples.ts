/**
 * The newest sample of every VM and chassis. Telemetry is at most once and never stored: what was not heard is not here.
 */
import {
  ALL_CHASSIS_TELEMETRY,
  ALL_VM_TELEMETRY,
  type ChassisSample,
  chassisSample,
  type VmSample,
  vmSample,
} from "@bioxen/contracts";
import type { ServicePorts } from "@bioxen/kernel";

/** A sample older than the one before by this, ms, was not overtaken: messages are not under way that long. */
const SET_BACK_MS = 10_000;

export class Samples {
  readonly #ports: ServicePorts;
  readonly #vms = new Map<string, VmSample>();
  readonly #chassis = new Map<string, ChassisSample>();
  readonly #subscriptions: { stop(): void }[] = [];
  #malformed = 0;

  constructor(ports: ServicePorts) {
    this.#ports = ports;
  }

  begin(): void {
    this.#listen(ALL_VM_TELEMETRY, vmSample, (sample) => keepNewest(this.#vms, sample.vmId, sample));
    this.#listen(ALL_CHASSIS_TELEMETRY, chassisSample, (sample) =>
      keepNewest(this.#chassis, sample.chassisId, sample),
    );
  }

  end(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.stop();
  }

  #listen<Sample>(
    subject: string,
    schema: {
      safeParse(value: unknown): { success: true; data: Sample } | { success: false; error: unknown };
    },
    keep: (sample: Sample) => void,
  ): void {
    const subscription = this.#ports.bus.subscribe(subject, (payload, from) => {
      const parsed = schema.safeParse(payload);
      if (parsed.success) return keep(parsed.data);
      this.#malformed += 1;
      if (this.#malformed === 1)
        this.#ports.logger.warn({ from, err: parsed.error }, "telemetry that is none");
    });
    this.#subscriptions.push(subscription);
  }

  vm(vmId: string): VmSample | undefined {
    return this.#vms.get(vmId);
  }

  chassis(chassisId: string): ChassisSample | undefined {
    return this.#chassis.get(chassisId);
  }

  /** The VM has no guest any more: its last sample is not of now. */
  forgetVm(vmId: string): void {
    this.#vms.delete(vmId);
  }
}

/** Samples can overtake each other on the way; the younger one counts, unless the clock it was taken by was set back. */
function keepNewest<Sample extends { atMs: number }>(
  kept: Map<string, Sample>,
  id: string,
  sample: Sample,
): void {
  const before = kept.get(id);
  const isOvertaken =
    before !== undefined && sample.atMs < before.atMs && before.atMs - sample.atMs < SET_BACK_MS;
  if (!isOvertaken) kept.set(id, sample);
}
