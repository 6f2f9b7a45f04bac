/**
 * The one cell of the agent: a guest of the basic driver, with what the agent needs to store and continue it.
 *
 * A boot makes a driver of its own for the cell, because the time scale belongs to the driver. The fences of the agent
 * are those of the basic driver.
 */
import { WEISSE } from "@bioxen/cell-models";
import { type BasicDriver, createBasicDriver } from "@bioxen/driver-basic";
import { messageOf } from "@bioxen/kernel";
import { DriverError, type ExecOutcome, type GuestCheckpoint, type GuestSpec } from "@bioxen/vm-driver";
import { cellAllocation } from "./cell-allocation.ts";
import type { CellSample, CellSpec } from "./protocol.ts";
import type { StoredCell } from "./stored-cell.ts";

/** The texts of xenstore that a cell has taken over; see `StoredCell`. */
export type Applied = StoredCell["applied"];

export interface CellStart {
  readonly spec: CellSpec;
  /** Simulated minutes per second. */
  readonly timeScale: number;
  readonly checkpoint?: Uint8Array | undefined;
  /** Whether the environment of the spec replaces that of the checkpoint; default false. */
  readonly newEnvironment?: boolean | undefined;
  readonly paused?: boolean | undefined;
  readonly applied?: Applied | undefined;
}

export interface CellEvents {
  readonly printed: (line: string) => void;
  readonly failed: (reason: string) => void;
}

/** Name of the cell model that the agent contains. */
export const CELL_MODEL = WEISSE.name;

export class HeldCell {
  readonly timeScale: number;
  applied: Applied;
  readonly #driver: BasicDriver;
  #spec: CellSpec;
  #paused = false;

  private constructor(driver: BasicDriver, { spec, timeScale, applied = {} }: CellStart) {
    this.#driver = driver;
    this.#spec = spec;
    this.timeScale = timeScale;
    this.applied = applied;
  }

  /** Starts a cell. Rejects with the errors of the driver's `start`, and then leaves nothing behind. */
  static async boot(start: CellStart, events: CellEvents): Promise<HeldCell> {
    const driver = driverAt(start.timeScale);
    try {
      driver.onGuestEvent((event) => {
        if (event.kind === "log") events.printed(event.line);
        if (event.kind === "failed") events.failed(event.reason);
      });
      await driver.start(guestSpec(start.spec, start.checkpoint));
      const cell = new HeldCell(driver, start);
      if (start.newEnvironment === true) await cell.setEnvironment(start.spec.environment ?? {});
      if (start.paused === true) await cell.pause();
      return cell;
    } catch (error) {
      await driver.close();
      throw error;
    }
  }

  get spec(): CellSpec {
    return this.#spec;
  }

  get paused(): boolean {
    return this.#paused;
  }

  tick(elapsedMs: number): void {
    this.#driver.tick(elapsedMs);
  }

  /**
   * Rejects with `STALE_FENCE` or `GUEST_NOT_FOUND` if `fence` is given and is not that of the cell.
   */
  requireFence(fence: number | undefined): void {
    const held = this.#spec.fence;
    if (fence === undefined || fence === held) return;
    const code = fence < held ? "STALE_FENCE" : "GUEST_NOT_FOUND";
    throw new DriverError(code, `fence ${fence} is not the fence of the cell: ${held}`, {
      details: { fence, held },
    });
  }

  exec(source: string, timeoutMs: number): Promise<ExecOutcome> {
    return this.#driver.exec(this.#spec.vmId, this.#spec.fence, source, { timeoutMs });
  }

  async resize(allocation: Readonly<Record<string, number>>): Promise<void> {
    const { vmId, fence } = this.#spec;
    await this.#driver.resize(vmId, fence, cellAllocation(this.#spec, allocation));
    this.#spec = { ...this.#spec, allocation: { ...allocation } };
  }

  async setEnvironment(environment: Readonly<Record<string, number>>): Promise<void> {
    const { vmId, fence } = this.#spec;
    await this.#driver.setEnvironment(vmId, fence, environment);
    this.#spec = { ...this.#spec, environment: { ...environment } };
  }

  async pause(): Promise<void> {
    await this.#driver.pause(this.#spec.vmId, this.#spec.fence);
    this.#paused = true;
  }

  async resume(): Promise<void> {
    await this.#driver.resume(this.#spec.vmId, this.#spec.fence);
    this.#paused = false;
  }

  /** Replaces the content of the cell, as the driver's `restart`. The cell keeps its identity and its fence. */
  async restart(spec: CellSpec, checkpoint: Uint8Array | undefined): Promise<void> {
    if (spec.vmId !== this.#spec.vmId) {
      throw new DriverError("GUEST_NOT_FOUND", `the cell is "${this.#spec.vmId}", not "${spec.vmId}"`);
    }
    await this.#driver.restart(guestSpec(spec, checkpoint));
    this.#spec = spec;
  }

  /** Returns the latest sample; undefined if the cell was never measured. */
  sample(): CellSample | undefined {
    // The samples of a cell have all fields of the schema.
    return this.#driver.sample(this.#spec.vmId) as CellSample | undefined;
  }

  checkpoint(): Promise<GuestCheckpoint> {
    return this.#driver.snapshot(this.#spec.vmId, this.#spec.fence);
  }

  /** Returns the cell as it is stored on disk. */
  stored({ bytes, simMinutes }: GuestCheckpoint): StoredCell {
    return {
      spec: this.#spec,
      timeScale: this.timeScale,
      paused: this.#paused,
      applied: this.applied,
      simMinutes,
      checkpointBase64: Buffer.from(bytes).toString("base64"),
    };
  }

  close(): Promise<void> {
    return this.#driver.close();
  }
}

function driverAt(timeScaleMinutesPerSecond: number): BasicDriver {
  try {
    return createBasicDriver({ timeScaleMinutesPerSecond });
  } catch (error) {
    throw new DriverError("BAD_REQUEST", messageOf(error), { cause: error });
  }
}

function guestSpec(spec: CellSpec, checkpoint: Uint8Array | undefined): GuestSpec {
  const model = spec.config["model"];
  if (model !== undefined && model !== CELL_MODEL) {
    throw new DriverError("BAD_REQUEST", `config.model: the guest agent has the model ${CELL_MODEL} only`);
  }
  return { ...spec, allocation: cellAllocation(spec, spec.allocation), checkpoint };
}
