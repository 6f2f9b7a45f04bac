/**
 * The newest sample of every VM, chassis and service instance, and how many never arrived. Telemetry is at most once
 * and never stored: what was not heard is not here.
 */
import {
  ALL_CHASSIS_TELEMETRY,
  ALL_SERVICE_TELEMETRY,
  ALL_VM_TELEMETRY,
  type ChassisSample,
  chassisSample,
  type ServiceSample,
  serviceSample,
  type VmSample,
  vmSample,
} from "@bioxen/contracts";
import type { ServicePorts } from "@bioxen/kernel";
import { type Heard, heardNext, LossWindow } from "../domain/loss.ts";

/** A sample older than the one before by this, ms, was not overtaken: messages are not under way that long. */
const SET_BACK_MS = 10_000;
/** Not heard of for this long, ms, what a sample said is not known to hold any more. */
export const STALE_AFTER_MS = 10_000;

type Sample = { readonly atMs: number; readonly sampleNumber: number };
type Schema<S> = {
  safeParse(value: unknown): { success: true; data: S } | { success: false; error: unknown };
};

/** The samples of one kind, by the id of what they are of. */
class Kept<S extends Sample> {
  readonly #kept = new Map<string, { sample: S; heardAtMs: number; lastNumber: number }>();

  /** False for a sample that was overtaken by a younger one; `heard` says what its number tells. */
  keep(id: string, sample: S, nowMs: number): { readonly isNewest: boolean; readonly heard: Heard } {
    const before = this.#kept.get(id);
    const heard = heardNext(before?.lastNumber, sample.sampleNumber);
    const isOvertaken = before !== undefined && isOlder(sample, before.sample);
    if (before === undefined) this.#kept.set(id, { sample, heardAtMs: nowMs, lastNumber: heard.last });
    else {
      before.lastNumber = heard.last;
      if (!isOvertaken) Object.assign(before, { sample, heardAtMs: nowMs });
    }
    return { isNewest: !isOvertaken, heard };
  }

  get(id: string): S | undefined {
    return this.#kept.get(id)?.sample;
  }

  /** Since its newest sample was heard, ms of this process's own clock; undefined: never. */
  ageMs(id: string, nowMs: number): number | undefined {
    const kept = this.#kept.get(id);
    return kept === undefined ? undefined : Math.max(0, nowMs - kept.heardAtMs);
  }

  *ids(): IterableIterator<string> {
    yield* this.#kept.keys();
  }

  forget(id: string): void {
    this.#kept.delete(id);
  }
}

/**
 * Samples can overtake each other on the way; the younger one counts, unless the clock it was taken by was set back.
 */
function isOlder(sample: Sample, before: Sample): boolean {
  return sample.atMs < before.atMs && before.atMs - sample.atMs < SET_BACK_MS;
}

export interface SampleListener {
  readonly onVm?: (sample: VmSample) => void;
}

export class Samples {
  readonly vms = new Kept<VmSample>();
  readonly chassis = new Kept<ChassisSample>();
  /** By `service instance`. */
  readonly services = new Kept<ServiceSample>();
  readonly #ports: ServicePorts;
  readonly #losses = new Map<string, LossWindow>();
  readonly #subscriptions: { stop(): void }[] = [];
  #listener: SampleListener = {};
  #malformed = 0;

  constructor(ports: ServicePorts) {
    this.#ports = ports;
  }

  begin(listener: SampleListener = {}): void {
    this.#listener = listener;
    this.#listen(ALL_VM_TELEMETRY, vmSample, (sample, nowMs) => {
      const { isNewest, heard } = this.vms.keep(sample.vmId, sample, nowMs);
      this.lossOf(sample.chassisId).add(heard, nowMs);
      if (isNewest) this.#listener.onVm?.(sample);
    });
    this.#listen(ALL_CHASSIS_TELEMETRY, chassisSample, (sample, nowMs) => {
      const { heard } = this.chassis.keep(sample.chassisId, sample, nowMs);
      this.lossOf(sample.chassisId).add(heard, nowMs);
    });
    this.#listen(ALL_SERVICE_TELEMETRY, serviceSample, (sample, nowMs) => {
      this.services.keep(`${sample.service} ${sample.instance}`, sample, nowMs);
    });
  }

  end(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.stop();
  }

  #listen<S extends Sample>(
    subject: string,
    schema: Schema<S>,
    keep: (sample: S, nowMs: number) => void,
  ): void {
    const subscription = this.#ports.bus.subscribe(subject, (payload, from) => {
      const parsed = schema.safeParse(payload);
      if (parsed.success) return keep(parsed.data, this.#ports.clock.nowMs());
      this.#malformed += 1;
      if (this.#malformed === 1)
        this.#ports.logger.warn({ from, err: parsed.error }, "telemetry that is none");
    });
    this.#subscriptions.push(subscription);
  }

  /** What arrived of a chassis and its VMs, and what did not, since this process listens. */
  lossOf(chassisId: string): LossWindow {
    const known = this.#losses.get(chassisId);
    if (known !== undefined) return known;
    const fresh = new LossWindow();
    this.#losses.set(chassisId, fresh);
    return fresh;
  }

  lossOfAll(): { received: number; lost: number } {
    const all = [...this.#losses.values()];
    const total = (of: (loss: LossWindow) => number) => all.reduce((sum, loss) => sum + of(loss), 0);
    return { received: total((loss) => loss.received), lost: total((loss) => loss.lostForGood) };
  }

  /** Of all chassis together, in the last minute; undefined when nothing was heard. */
  lostPermille(nowMs: number): number | undefined {
    const shares = [...this.#losses.values()].flatMap((loss) => loss.permille(nowMs) ?? []);
    return shares.length === 0 ? undefined : Math.max(...shares);
  }

  /** Every instance heard of lately, by service. */
  servicesNow(): ServiceSample[] {
    const nowMs = this.#ports.clock.nowMs();
    const fresh = [...this.services.ids()].filter(
      (key) => (this.services.ageMs(key, nowMs) ?? 0) <= STALE_AFTER_MS,
    );
    return fresh.sort().flatMap((key) => this.services.get(key) ?? []);
  }

  /** The VM has no guest any more: its last sample is not of now. */
  forgetVm(vmId: string): void {
    this.vms.forget(vmId);
  }

  /** The chassis is no more. */
  forgetChassis(chassisId: string): void {
    this.chassis.forget(chassisId);
    this.#losses.delete(chassisId);
  }

  /** Instances that ended long ago are not kept: each start of a service is a new one. */
  dropSilentServices(nowMs: number): void {
    for (const key of [...this.services.ids()]) {
      if ((this.services.ageMs(key, nowMs) ?? 0) > STALE_AFTER_MS) this.services.forget(key);
    }
  }
}
