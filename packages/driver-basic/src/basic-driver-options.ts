/** What a user of the basic driver gives and gets. */
import type { CellModel, MediumFields } from "@bioxen/cell-models";
import type { DriverCapabilities, VmDriver } from "@bioxen/vm-driver";
import { type CellBudgets, DEFAULT_TIME_SCALE, MAX_EXEC_TIMEOUT_MS, MAX_TIME_SCALE } from "./limits.ts";
import type { Moved } from "./moved-guests.ts";

export interface BasicDriverOptions {
  /** Time scale: simulated minutes per second of host time, above 0 and at most `MAX_TIME_SCALE`. Default 1. */
  readonly timeScaleMinutesPerSecond?: number | undefined;
  /**
   * Returns the time of a monotonic clock in ms, which measures the time budget of a tick. Default: `performance.now`.
   */
  readonly now?: (() => number) | undefined;
  /**
   * Calls a function after the event loop had its turn, so that cells at the time scale `max` compute in slices. Default:
   * `setImmediate`.
   */
  readonly later?: ((body: () => void) => void) | undefined;
  /** Times that the cells may spend; default: those of a thread that has other work. */
  readonly budgets?: CellBudgets | undefined;
  /** Cell models beside the built-in `WEISSE`, each for the guests whose `config.model` names it. */
  readonly models?: readonly CellModel[] | undefined;
  /** URL of a script that replaces the Lua worker, for tests. */
  readonly workerUrl?: URL | undefined;
}

/** Returns the time scale, simulated minutes per second of host time. Throws `RangeError` if it is out of range. */
export function timeScaleOf({
  timeScaleMinutesPerSecond: scale = DEFAULT_TIME_SCALE,
}: Pick<BasicDriverOptions, "timeScaleMinutesPerSecond">): number {
  if (scale > 0 && scale <= MAX_TIME_SCALE) return scale;
  throw new RangeError(
    `time scale ${scale} is out of range: it must be above 0 and at most ${MAX_TIME_SCALE} min/s`,
  );
}

export const CAPABILITIES: DriverCapabilities = {
  vmType: "basic",
  exec: true,
  pause: true,
  liveResize: true,
  snapshot: true,
  lastMinute: true,
  clock: "host",
  keepsStopped: false,
  meters: ["ribosomes", "atpPerSecond", "rnaPolymerases"],
  maxExecTimeoutMs: MAX_EXEC_TIMEOUT_MS,
};

export interface BasicDriver extends VmDriver {
  /**
   * Replaces the whole environment of a running or paused guest; absent fields return to the default of the type.
   * Rejects with the errors of `pause`, and with `BAD_REQUEST`.
   */
  setEnvironment(vmId: string, fence: number, environment: MediumFields): Promise<void>;
}

/** A driver that computes its cells in its own thread. */
export interface ComputingDriver extends BasicDriver {
  /** Returns which guests have moved since the last call: only their samples have changed by themselves. */
  takeMoved(): Moved;
}
