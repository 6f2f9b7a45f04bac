/**
 * The newest sample of every VM, chassis and service instance, and how many samples were lost. Telemetry is delivered
 * at most once and never stored, so a lost sample stays lost.
 */
import {
  ALL_CHASSIS_TELEMETRY,
  ALL_SERVICE_TELEMETRY,
  ALL_VM_TELEMETRY,
  type ChassisSample,
  chassisSample,
  chassisTelemetrySubject,
  type ServiceName,
  type ServiceSample,
  serviceSample,
  serviceTelemetrySubject,
  type VmSample,
  vmSample,
  vmTelemetrySubject,
} from "@bioxen/contracts";
import type { ServicePorts } from "@bioxen/kernel";
import { countSample, LossWindow, type SampleCount } from "../domain/loss.ts";
import { Rivals } from "./rivals.ts";

/**
 * A sample that is older than the previously received sample by at least this time, ms, comes from a clock that was set
 * back. A smaller difference means that the two samples arrived in the wrong order. No message is delayed by 10 s.
 */
const CLOCK_SET_BACK_MS = 10_000;
/**
 * Maximum number of service instances that are remembered. Silent instances are forgotten, so only invented instances
 * can exceed this number.
 */
const MAX_INSTANCES = 1_000;
/** Age from which a sample is stale, ms: its values no longer describe the present. */
export const STALE_AFTER_MS = 10_000;

type Sample = { readonly atMs: number; readonly sampleNumber: number };
type Schema<S> = {
  safeParse(value: unknown): { success: true; data: S } | { success: false; error: unknown };
};

/** Where a sample comes from: its subject, and the agent that sent it; undefined on an open stack and of other services. */
interface Origin {
  readonly subject: string;
  readonly sender: string | undefined;
}

/** The newest samples of one kind, by the id of their source. */
class NewestSamples<S extends Sample> {
  readonly #entries = new Map<string, { sample: S; heardAtMs: number; lastNumber: number }>();

  /**
   * Adds a sample. `isNewest` is false for a sample that a newer one has overtaken; `counted` is what its number adds
   * to the counts of received and lost samples.
   */
  add(id: string, sample: S, nowMs: number): { readonly isNewest: boolean; readonly counted: SampleCount } {
    const before = this.#entries.get(id);
    const counted = countSample(before?.lastNumber, sample.sampleNumber);
    const isOvertaken = before !== undefined && isOlder(sample, before.sample);
    if (before === undefined) this.#entries.set(id, { sample, heardAtMs: nowMs, lastNumber: counted.last });
    else {
      before.lastNumber = counted.last;
      if (!isOvertaken) Object.assign(before, { sample, heardAtMs: nowMs });
    }
    return { isNewest: !isOvertaken, counted };
  }

  get(id: string): S | undefined {
    return this.#entries.get(id)?.sample;
  }

  /**
   * Returns how long ago the newest sample was received, ms by the clock of this process; undefined when there is none.
   */
  ageMs(id: string, nowMs: number): number | undefined {
    const entry = this.#entries.get(id);
    return entry === undefined ? undefined : Math.max(0, nowMs - entry.heardAtMs);
  }

  get size(): number {
    return this.#entries.size;
  }

  *ids(): IterableIterator<string> {
    yield* this.#entries.keys();
  }

  forget(id: string): void {
    this.#entries.delete(id);
  }
}

/**
 * Returns true when `sample` is older than `before`, which was received earlier. A sample that is much older comes from
 * a clock that was set back, and counts as new.
 */
function isOlder(sample: Sample, before: Sample): boolean {
  return sample.atMs < before.atMs && before.atMs - sample.atMs < CLOCK_SET_BACK_MS;
}

export interface SampleListener {
  readonly onVm?: (sample: VmSample) => void;
  /**
   * Returns true for a VM or chassis of the log; default: for all. Other samples are ignored, because their number is
   * without bound: a client can invent ids.
   */
  readonly isKnown?: (kind: "vm" | "chassis", id: string) => boolean;
  /** Returns true when the log says that the agent runs the chassis, and that the VM is there; default: always. */
  readonly isFrom?: (agentId: string, chassisId: string, vmId?: string) => boolean;
}

const AGENT: ServiceName = "chassis-agent";

export class Samples {
  readonly vms = new NewestSamples<VmSample>();
  readonly chassis = new NewestSamples<ChassisSample>();
  /** Keys are `service instance`, separated by a space. */
  readonly services = new NewestSamples<ServiceSample>();
  readonly rivals = new Rivals();
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
    const { isKnown = () => true, isFrom = () => true } = listener;
    this.#listen(ALL_VM_TELEMETRY, vmSample, (sample, nowMs, { subject, sender }) => {
      const { vmId, chassisId } = sample;
      if (subject !== vmTelemetrySubject(vmId) || !isKnown("vm", vmId) || !isKnown("chassis", chassisId))
        return;
      if (sender !== undefined && !isFrom(sender, chassisId, vmId)) return;
      const { isNewest, counted } = this.vms.add(sample.vmId, sample, nowMs);
      this.lossOf(sample.chassisId).add(counted, nowMs);
      if (isNewest) this.#listener.onVm?.(sample);
    });
    this.#listen(ALL_CHASSIS_TELEMETRY, chassisSample, (sample, nowMs, { subject, sender }) => {
      const { chassisId, agentId } = sample;
      if (subject !== chassisTelemetrySubject(chassisId) || !isKnown("chassis", chassisId)) return;
      if (sender !== undefined && (sender !== agentId || !isFrom(sender, chassisId))) return;
      const { counted } = this.chassis.add(sample.chassisId, sample, nowMs);
      this.lossOf(sample.chassisId).add(counted, nowMs);
      this.rivals.hearHeartbeat(sample, nowMs);
    });
    this.#listen(ALL_SERVICE_TELEMETRY, serviceSample, (sample, nowMs, { subject, sender }) => {
      if (subject !== serviceTelemetrySubject(sample.service)) return;
      if (sender !== undefined && sample.service === AGENT && (sample.agent?.agentId ?? sender) !== sender)
        return;
      const key = `${sample.service} ${sample.instance}`;
      if (this.services.size >= MAX_INSTANCES && this.services.get(key) === undefined) return;
      this.services.add(key, sample, nowMs);
      this.rivals.hearService(sample, nowMs);
    });
  }

  end(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.stop();
  }

  #listen<S extends Sample>(
    subject: string,
    schema: Schema<S>,
    onSample: (sample: S, nowMs: number, from: Origin) => void,
  ): void {
    const subscription = this.#ports.bus.subscribe(subject, (payload, from, sender) => {
      const parsed = schema.safeParse(payload);
      if (parsed.success) return onSample(parsed.data, this.#ports.clock.nowMs(), { subject: from, sender });
      this.#malformed += 1;
      if (this.#malformed === 1)
        this.#ports.logger.warn({ from, err: parsed.error }, "ignoring malformed telemetry");
    });
    this.#subscriptions.push(subscription);
  }

  /** Returns the counts of received and lost samples of a chassis and its VMs since this process started. */
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
    return { received: total((loss) => loss.received), lost: total((loss) => loss.lostTotal) };
  }

  /**
   * Returns the largest share of lost samples among all chassis in the last minute, permille; undefined without
   * samples.
   */
  lostPermille(nowMs: number): number | undefined {
    const shares = [...this.#losses.values()].flatMap((loss) => loss.permille(nowMs) ?? []);
    return shares.length === 0 ? undefined : Math.max(...shares);
  }

  /** Returns the newest sample of every live service instance, sorted by service. */
  servicesNow(): ServiceSample[] {
    const nowMs = this.#ports.clock.nowMs();
    const fresh = [...this.services.ids()].filter(
      (key) => (this.services.ageMs(key, nowMs) ?? 0) <= STALE_AFTER_MS,
    );
    return fresh.sort().flatMap((key) => this.services.get(key) ?? []);
  }

  /** Drops the sample of a VM that has no guest any more. */
  forgetVm(vmId: string): void {
    this.vms.forget(vmId);
  }

  /** Drops the sample and the counts of a chassis that was removed. */
  forgetChassis(chassisId: string): void {
    this.chassis.forget(chassisId);
    this.#losses.delete(chassisId);
    this.rivals.forget(chassisId);
  }

  /** Drops instances with a stale sample: each start of a service is a new instance, and old ones would accumulate. */
  dropSilentServices(nowMs: number): void {
    for (const key of [...this.services.ids()]) {
      if ((this.services.ageMs(key, nowMs) ?? 0) > STALE_AFTER_MS) this.services.forget(key);
    }
  }
}
