/**
 * One guest of the basic driver: its cell, its state, and the pending calls of its hooks. This file runs no Lua.
 */
import {
  type BiologicalType,
  type CellAllocation,
  type CellEnvironment,
  type CellModel,
  type LivingCell,
  type ParameterSetName,
  WEISSE,
} from "@bioxen/cell-models";
import { messageOf } from "@bioxen/kernel";
import {
  DriverError,
  type GuestCheckpoint,
  type GuestSample,
  type GuestSpec,
  type GuestState,
} from "@bioxen/vm-driver";
import { CallsUnderWay } from "./calls-under-way.ts";
import type { Clocked } from "./cell-clock.ts";
import { encodeCheckpoint, openCheckpoint } from "./checkpoint.ts";
import { MAX_SOURCE_BYTES } from "./limits.ts";
import type { HookName } from "./lua-guest.ts";
import type { KeptLua } from "./lua-kept.ts";
import type { GuestKey } from "./lua-protocol.ts";

export class CellGuest implements Clocked {
  readonly spec: GuestSpec;
  readonly key: GuestKey;
  readonly cell: LivingCell;
  readonly #model: CellModel;
  #lastSample: GuestSample | undefined;
  #unmeasurable: unknown;
  /**
   * State of the guest. `starting`: the guest's program runs, the guest is not listed yet, and no simulated time
   * passes. `ended`: the guest was stopped or replaced.
   */
  state: GuestState | "starting" | "ended" = "starting";
  reason: string | undefined;
  owedMinutes = 0;
  luaInstructions = 0;
  /** The hook functions that the guest had defined at the end of its last call. */
  hooks: readonly HookName[] = [];
  hooksOff = false;
  hookErrorsInARow = 0;
  hookCallsUnderWay = 0;
  readonly calls = new CallsUnderWay();
  snapshotsUnderWay = 0;
  /** Simulated minutes that the next call of `on_minute` will report. */
  minutesForHook = 0;
  divisionsForHook = 0;
  /** Cell divisions that the next `divided` event will report. */
  divisionsToReport = 0;

  private constructor(
    spec: GuestSpec,
    key: GuestKey,
    model: CellModel,
    cell: LivingCell,
    kept: KeptLua | null,
  ) {
    this.#model = model;
    this.spec = spec;
    this.key = key;
    this.cell = cell;
    this.kept = kept;
  }

  /** The stored Lua state that the guest starts with; null if there is none. */
  readonly kept: KeptLua | null;

  /**
   * Returns a guest with a new cell, or with the cell of the spec's checkpoint. Throws `BAD_REQUEST` with every problem
   * of the spec, or `TOO_LARGE`.
   */
  static boot(spec: GuestSpec, key: GuestKey, model: CellModel): CellGuest {
    const { biologicalType, allocation, environment, seed, program } = spec;
    const partitionNoise = spec.config["partitionNoise"];
    if (program !== undefined) checkSource(program);
    const parameterSet = spec.config["parameterSet"];
    if (partitionNoise !== undefined && typeof partitionNoise !== "boolean") {
      throw new DriverError("BAD_REQUEST", "config.partitionNoise must be true or false");
    }
    if (spec.checkpoint !== undefined) return CellGuest.#goOn(spec, key, model, spec.checkpoint);
    // The values are cast unchecked here, because the model validates them and reports every invalid one.
    const cell = badRequestUnless(() =>
      model.boot({
        biologicalType: biologicalType as BiologicalType,
        parameterSet: parameterSet as ParameterSetName | undefined,
        allocation,
        environment,
        seed,
        partitionNoise,
      }),
    );
    return new CellGuest(spec, key, model, cell, null);
  }

  static #goOn(spec: GuestSpec, key: GuestKey, model: CellModel, bytes: Uint8Array): CellGuest {
    const { checkpoint, cell } = openCheckpoint(bytes, spec, model);
    const guest = new CellGuest(spec, key, model, cell, checkpoint.lua);
    guest.resize(spec.allocation);
    guest.owedMinutes = checkpoint.owedMinutes;
    guest.luaInstructions = checkpoint.luaInstructions;
    guest.hooksOff = checkpoint.hooks.off;
    guest.hookErrorsInARow = checkpoint.hooks.errorsInARow;
    guest.minutesForHook = checkpoint.hooks.minutes;
    guest.divisionsForHook = checkpoint.hooks.divisions;
    return guest;
  }

  /** Returns a checkpoint of the guest that contains the given Lua state. Throws `TOO_LARGE`. */
  checkpoint(lua: KeptLua | null): GuestCheckpoint {
    const bytes = encodeCheckpoint({
      seed: this.spec.seed,
      cell: this.cell.snapshot(),
      // Checkpoints of the built-in model do not name their model, so that the old format stays unchanged.
      ...(this.#model === WEISSE ? {} : { model: { name: this.#model.name, version: this.#model.version } }),
      owedMinutes: this.owedMinutes,
      luaInstructions: this.luaInstructions,
      hooks: {
        off: this.hooksOff,
        errorsInARow: this.hookErrorsInARow,
        minutes: this.minutesForHook,
        divisions: this.divisionsForHook,
      },
      lua,
    });
    return { bytes, simMinutes: this.cell.simMinutes };
  }

  isRunning(): boolean {
    return this.state === "running";
  }

  /** Computes one simulated minute of the cell. If the cell cannot be computed, the guest fails. */
  liveQuantum(): void {
    let divisions: number;
    try {
      if (this.#unmeasurable !== undefined) throw this.#unmeasurable;
      divisions = this.cell.advance(1);
    } catch (error) {
      this.state = "failed";
      this.reason = messageOf(error);
      return;
    }
    this.minutesForHook += 1;
    this.divisionsForHook += divisions;
    this.divisionsToReport += divisions;
  }

  resize(allocation: CellAllocation): void {
    badRequestUnless(() => this.cell.setAllocation(allocation));
  }

  setEnvironment(environment: CellEnvironment): void {
    badRequestUnless(() => this.cell.setEnvironment(environment));
  }

  /**
   * Returns a sample of the cell's present state. If the cell cannot be measured, returns the last sample; the guest
   * then fails at its next simulated minute.
   */
  sample(lagMs: number): GuestSample | undefined {
    try {
      const { ribosomalMassFraction: _, ...sample } = this.cell.sample();
      this.#lastSample = { ...sample, luaInstructions: this.luaInstructions, lagMs };
    } catch (error) {
      this.#unmeasurable = error;
    }
    return this.#lastSample;
  }
}

/** Checks the size of a Lua source. Throws `TOO_LARGE` if it has more than {@link MAX_SOURCE_BYTES}. */
export function checkSource(source: string): void {
  const bytes = Buffer.byteLength(source);
  if (bytes > MAX_SOURCE_BYTES) {
    throw new DriverError("TOO_LARGE", `the source has ${bytes} bytes, more than ${MAX_SOURCE_BYTES}`, {
      details: { limitBytes: MAX_SOURCE_BYTES, bytes },
    });
  }
}

function badRequestUnless<T>(body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof RangeError) throw new DriverError("BAD_REQUEST", error.message, { cause: error });
    // The model may be a third-party package. Its exception fails this guest, and a retry would not help.
    throw new DriverError("GUEST_ERROR", `the cell model failed: ${messageOf(error)}`, { cause: error });
  }
}
