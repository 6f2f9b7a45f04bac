/**
 * A checkpoint of a basic guest: everything its future depends on that outlives a process, as JSON text.
 *
 * The cell goes on bit for bit; so do simulated time, divisions, the minutes its hooks have not been told of yet, and its random
 * streams. Of the Lua side the global `state` is kept (`lua-kept.ts`); the program runs again and defines the rest. What is
 * decided elsewhere is not in here and comes with the spec: allocation, program, identity. A checkpoint comes from a
 * store, hence from outside, and is checked before anything is made of it.
 */
import {
  type CellModel,
  type LivingCell,
  type ModelSnapshot,
  type ParameterSetName,
  WEISSE,
} from "@bioxen/cell-models";
import { DriverError, type GuestSpec, MAX_CHECKPOINT_BYTES } from "@bioxen/vm-driver";
import { type KeptLua, keptProblem } from "./lua-kept.ts";

/** Raised when the form changes; another one is refused, not guessed at. */
const FORMAT = "bioxen-basic-guest-1";

export interface BasicCheckpoint {
  readonly format: typeof FORMAT;
  /** Of the guest it was taken of; a guest with another one is another individual and gets chance of its own. */
  readonly seed: number;
  readonly cell: ModelSnapshot;
  /** What computes the cell; absent: the built-in model, version 1. */
  readonly model?: { readonly name: string; readonly version: number } | undefined;
  /** Simulated minutes that its host owed it. */
  readonly owedMinutes: number;
  readonly luaInstructions: number;
  readonly hooks: {
    readonly off: boolean;
    readonly errorsInARow: number;
    /** Not told to `on_minute` and `on_division` yet. */
    readonly minutes: number;
    readonly divisions: number;
  };
  /** null: it never ran any Lua. */
  readonly lua: KeptLua | null;
}

/** Throws `TOO_LARGE`. */
export function encodeCheckpoint(checkpoint: Omit<BasicCheckpoint, "format">): Uint8Array {
  const bytes = new TextEncoder().encode(JSON.stringify({ format: FORMAT, ...checkpoint }));
  requireSize(bytes);
  return bytes;
}

/**
 * The checkpoint in these bytes, when a guest of this spec can go on from it, and its cell.
 *
 * Throws `TOO_LARGE`, or `BAD_REQUEST` with what is wrong: no checkpoint, of another form, of another kind of cell.
 */
export function openCheckpoint(
  bytes: Uint8Array,
  spec: GuestSpec,
  model: CellModel,
): { readonly checkpoint: BasicCheckpoint; readonly cell: LivingCell } {
  requireSize(bytes);
  const checkpoint = parsed(bytes);
  const { name, version } = checkpoint.model ?? WEISSE;
  if (name !== model.name || version !== model.version) {
    throw unusable(`it is of model ${name} ${version}, not ${model.name} ${model.version}`);
  }
  const isSameIndividual = checkpoint.seed === spec.seed;
  let cell: LivingCell;
  try {
    cell = model.restore(checkpoint.cell, isSameIndividual ? {} : { seed: spec.seed });
  } catch (error) {
    if (error instanceof RangeError) throw unusable(`cell: ${error.message}`, error);
    throw error;
  }
  const foreign = foreignTraits(checkpoint.cell, spec);
  if (foreign.length > 0) throw unusable(`it is of another kind of cell: ${foreign.join("; ")}`);
  if (isSameIndividual || checkpoint.lua === null) return { checkpoint, cell };
  return { checkpoint: { ...checkpoint, lua: { ...checkpoint.lua, random: null } }, cell };
}

function parsed(bytes: Uint8Array): BasicCheckpoint {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw unusable("it is not JSON", error);
  }
  if (typeof json !== "object" || json === null || !("format" in json) || json.format !== FORMAT) {
    throw unusable(`its format is not ${FORMAT}`);
  }
  const checkpoint = json as BasicCheckpoint;
  const { seed, owedMinutes, luaInstructions, hooks, lua } = checkpoint;
  const problems: string[] = [];
  if (!isCount(seed)) problems.push("seed: is not an integer of 0 or more");
  if (!(Number.isFinite(owedMinutes) && owedMinutes >= 0)) {
    problems.push("owedMinutes: is not a number of 0 or more");
  }
  if (!isCount(luaInstructions)) problems.push("luaInstructions: is not an integer of 0 or more");
  const counts = [hooks?.errorsInARow, hooks?.minutes, hooks?.divisions];
  if (typeof hooks?.off !== "boolean" || !counts.every(isCount))
    problems.push("hooks: are not what they were");
  const ofLua = lua === null ? undefined : keptProblem(lua);
  if (ofLua !== undefined) problems.push(ofLua);
  if (problems.length > 0) throw unusable(problems.join("; "));
  return checkpoint;
}

function foreignTraits(cell: ModelSnapshot, spec: GuestSpec): string[] {
  const traits: readonly [string, unknown, unknown][] = [
    ["biologicalType", cell.biologicalType, spec.biologicalType],
    [
      "parameterSet",
      cell.parameterSet,
      spec.config["parameterSet"] ?? ("default" satisfies ParameterSetName),
    ],
    ["partitionNoise", cell.partitionNoise, spec.config["partitionNoise"] ?? false],
  ];
  return traits.flatMap(([name, kept, wanted]) =>
    kept === wanted ? [] : [`${name} ${kept}, not ${wanted}`],
  );
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function requireSize({ length }: Uint8Array): void {
  if (length <= MAX_CHECKPOINT_BYTES) return;
  throw new DriverError("TOO_LARGE", `a checkpoint of ${length} bytes is over ${MAX_CHECKPOINT_BYTES}`, {
    details: { limitBytes: MAX_CHECKPOINT_BYTES, bytes: length },
  });
}

function unusable(why: string, cause?: unknown): DriverError {
  return new DriverError("BAD_REQUEST", `no guest can go on from this checkpoint: ${why}`, { cause });
}
