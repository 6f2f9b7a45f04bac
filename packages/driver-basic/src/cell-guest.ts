/**
 * One guest of the basic driver: its cell, its state, and what its hooks are due. No Lua in here.
 */
import {
  type BiologicalType,
  type CellAllocation,
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
  /** `starting`: its program runs; it is not listed and no time passes. `ended`: another took its place, or none. */
  state: GuestState | "starting" | "ended" = "starting";
  reason: string | undefined;
  owedMinutes = 0;
  luaInstructions = 0;
  /** Hooks the guest has defined, as far as known. */
  hooks: readonly HookName[] = [];
  hooksOff = false;
  hookErrorsInARow = 0;
  hookCallsUnderWay = 0;
  snapshotsUnderWay = 0;
  /** Since the hooks were last called. */
  minutesForHook = 0;
  divisionsForHook = 0;
  /** Since the last `divided` event. */
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

  /** What its Lua begins with; null: with nothing. */
  readonly kept: KeptLua | null;

  /** A guest whose cell is booted, or goes on. Throws `BAD_REQUEST` with every problem of the spec, `TOO_LARGE`. */
  static boot(spec: GuestSpec, key: GuestKey, model: CellModel): CellGuest {
    const { biologicalType, allocation, environment, seed, program } = spec;
    const partitionNoise = spec.config["partitionNoise"];
    if (program !== undefined) checkSource(program);
    const parameterSet = spec.config["parameterSet"];
    if (partitionNoise !== undefined && typeof partitionNoise !== "boolean") {
      throw new DriverError("BAD_REQUEST", "config.partitionNoise is not true or false");
    }
    if (spec.checkpoint !== undefined) return CellGuest.#goOn(spec, key, model, spec.checkpoint);
    // The model names every value it does not know, of whatever type.
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

  /** With what its Lua has at this moment. Throws `TOO_LARGE`. */
  checkpoint(lua: KeptLua | null): GuestCheckpoint {
    const bytes = encodeCheckpoint({
      seed: this.spec.seed,
      cell: this.cell.snapshot(),
      // Checkpoints of the built-in model are as they always were.
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

  /** Lives one simulated minute; a cell that cannot be computed any further fails. */
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

  /** A cell that cannot be measured is answered as the last time, and fails at its next minute. */
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

/** Throws `BAD_REQUEST` or `TOO_LARGE` unless this can be given to Lua. */
export function checkSource(source: string): void {
  const bytes = Buffer.byteLength(source);
  if (bytes > MAX_SOURCE_BYTES) {
    throw new DriverError("TOO_LARGE", `source of ${bytes} bytes is over ${MAX_SOURCE_BYTES}`, {
      details: { limitBytes: MAX_SOURCE_BYTES, bytes },
    });
  }
}

function badRequestUnless<T>(body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof RangeError) throw new DriverError("BAD_REQUEST", error.message, { cause: error });
    // A model may be somebody else's: what it throws is a failure of this guest, and no reason to try for ever.
    throw new DriverError("GUEST_ERROR", `the cell model failed: ${messageOf(error)}`, { cause: error });
  }
}
