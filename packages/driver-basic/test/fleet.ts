/**
 * A basic driver with the helper functions of its tests.
 */
import {
  type DriverError,
  driverErrorCode,
  type ExecOutcome,
  type GuestEvent,
  type GuestSpec,
  type VmDriver,
} from "@bioxen/vm-driver";
import { type BasicDriverOptions, createBasicDriver } from "../src/index.ts";

export function cellSpec(vmId: string, fence: number, more: Partial<GuestSpec> = {}): GuestSpec {
  return {
    vmId,
    fence,
    incarnation: 1,
    biologicalType: "syn3a",
    seed: 7,
    allocation: { ribosomes: 503, rnaPolymerases: 187, atpPerSecond: 13_247, dnaKilobases: 543 },
    config: {},
    ...more,
  };
}

export class Fleet {
  readonly driver: VmDriver;
  readonly events: GuestEvent[] = [];
  #fence = 0;
  readonly #fences = new Map<string, number>();

  constructor(options: BasicDriverOptions = {}) {
    // The clock is constant, because on a busy machine the tick budget would defer some minutes to the next tick.
    this.driver = createBasicDriver({ timeScaleMinutesPerSecond: 60, now: () => 0, ...options });
    this.driver.onGuestEvent((event) => this.events.push(event));
  }

  async start(vmId: string, more: Partial<GuestSpec> = {}): Promise<void> {
    this.#fence += 1;
    this.#fences.set(vmId, this.#fence);
    await this.driver.start(cellSpec(vmId, this.#fence, more));
  }

  fence(vmId: string): number {
    return this.#fences.get(vmId) ?? 0;
  }

  exec(vmId: string, source: string, timeoutMs = 60_000): Promise<ExecOutcome> {
    return this.driver.exec(vmId, this.fence(vmId), source, { timeoutMs });
  }

  async value(vmId: string, source: string): Promise<unknown> {
    return (await this.exec(vmId, source)).result;
  }

  /** Returns the failure of an exec; throws if it succeeded. */
  async failure(vmId: string, source: string, timeoutMs?: number): Promise<DriverError> {
    const error = await this.exec(vmId, source, timeoutMs).then(
      (outcome) => new Error(`it succeeded: ${JSON.stringify(outcome)}`),
      (thrown: DriverError) => thrown,
    );
    if (driverErrorCode(error) === undefined) throw error;
    return error as DriverError;
  }

  log(vmId: string): string[] {
    return this.events.flatMap((event) => (event.kind === "log" && event.vmId === vmId ? [event.line] : []));
  }

  /** Computes this time of the host, and waits until the VM has computed all minutes of it with their hooks. */
  async live(vmId: string, elapsedMs: number): Promise<void> {
    this.driver.tick(elapsedMs);
    await this.until(() => this.driver.sample(vmId)?.lagMs === 0, `${vmId} has computed what it owes`);
    // A checkpoint waits for the hooks of the last minute.
    await this.driver.snapshot(vmId, this.fence(vmId)).catch(() => undefined);
  }

  /** Waits until the condition holds, and lets messages of the worker arrive in between. Fails after 60 s. */
  async until(holds: () => boolean, what: string): Promise<void> {
    const endMs = performance.now() + 60_000;
    while (!holds()) {
      if (performance.now() > endMs) throw new Error(`never: ${what}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
