/**
 * A checkpoint of a basic guest: all persistent state that determines its future, as JSON text.
 *
 * After a restart from the checkpoint, the cell continues bit for bit, with its simulated time, divisions, pending hook
 * calls and random streams. Of the Lua state, only the global `state` and the state of `math.random` are stored
 * (`lua-kept.ts`); the program runs again and defines the rest. Allocation, program and identity are not part of the
 * checkpoint: they come with the guest's spec. A checkpoint is external input from a store, and is validated before
 * use.
 */
import {
  DEFAULT_SET,
  type HostedCell,
  type HostedModel,
  type ModelSnapshot,
  noiseOf,
  parametersOf,
  WEISSE,
} from "@bioxen/cell-models";
import { canonicalJson } from "@bioxen/kernel";
import { DriverError, type GuestSpec, MAX_CHECKPOINT_BYTES } from "@bioxen/vm-driver";
import { type KeptLua, keptProblem } from "./lua-kept.ts";

/** Name and version of the checkpoint format. A checkpoint with another value is rejected. */
const FORMAT = "bioxen-basic-guest-1";

export interface BasicCheckpoint {
  readonly format: typeof FORMAT;
  /** The seed of the guest that made the checkpoint. A guest with another seed gets its own random streams. */
  readonly seed: number;
  readonly cell: ModelSnapshot;
  /** Name and version of the cell model; absent for every version of the built-in model. */
  readonly model?: { readonly name: string; readonly version: number } | undefined;
  /** Simulated minutes that had passed on the host but were not computed yet. */
  readonly owedMinutes: number;
  readonly luaInstructions: number;
  readonly hooks: {
    readonly off: boolean;
    readonly errorsInARow: number;
    /** Simulated minutes that the next call of `on_minute` will report. */
    readonly minutes: number;
    readonly divisions: number;
  };
  /** The stored Lua state; null if the guest never ran Lua. */
  readonly lua: KeptLua | null;
  /** The numbers of the changes that have acted at the present minute; absent: none. */
  readonly changed?: readonly number[] | undefined;
  /** How many programs of users have run at the present minute; absent: none. */
  readonly programs?: number | undefined;
}

/** Encodes a checkpoint as bytes of JSON. Throws `TOO_LARGE`. */
export function encodeCheckpoint(checkpoint: Omit<BasicCheckpoint, "format">): Uint8Array {
  const bytes = new TextEncoder().encode(JSON.stringify({ format: FORMAT, ...checkpoint }));
  requireSize(bytes);
  return bytes;
}

/**
 * Decodes a checkpoint for a guest with this spec, and restores its cell.
 *
 * Throws `TOO_LARGE`. Throws `BAD_REQUEST` with the problem if the checkpoint is malformed, has another format, or is
 * of another kind of cell.
 */
export function openCheckpoint(
  bytes: Uint8Array,
  spec: GuestSpec,
  model: HostedModel,
): { readonly checkpoint: BasicCheckpoint; readonly cell: HostedCell } {
  requireSize(bytes);
  const checkpoint = parsed(bytes);
  const { name, version } = checkpoint.model ?? WEISSE;
  if (name !== model.name || version !== model.version) {
    throw unusable(`its model is ${name} ${version}, not ${model.name} ${model.version}`);
  }
  const isSameIndividual = checkpoint.seed === spec.seed;
  let cell: HostedCell;
  try {
    cell = model.restore(checkpoint.cell, isSameIndividual ? {} : { seed: spec.seed });
  } catch (error) {
    if (error instanceof RangeError) throw unusable(`cell: ${error.message}`, error);
    throw error;
  }
  const foreign = foreignTraits(checkpoint.cell, spec, model);
  if (foreign.length > 0) throw unusable(`its cell is of another kind: ${foreign.join("; ")}`);
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
  if (!isCount(seed)) problems.push("seed: must be an integer of at least 0");
  if (!(Number.isFinite(owedMinutes) && owedMinutes >= 0)) {
    problems.push("owedMinutes: must be a number of at least 0");
  }
  if (!isCount(luaInstructions)) problems.push("luaInstructions: must be an integer of at least 0");
  const counts = [hooks?.errorsInARow, hooks?.minutes, hooks?.divisions];
  if (typeof hooks?.off !== "boolean" || !counts.every(isCount))
    problems.push("hooks: must have counts errorsInARow, minutes and divisions");
  const { changed = [], programs = 0 } = checkpoint;
  if (!isCount(programs)) problems.push("programs: must be an integer of at least 0");
  if (!Array.isArray(changed) || !changed.every(Number.isSafeInteger))
    problems.push("changed: must be a list of numbers");
  const ofLua = lua === null ? undefined : keptProblem(lua);
  if (ofLua !== undefined) problems.push(ofLua);
  if (problems.length > 0) throw unusable(problems.join("; "));
  return checkpoint;
}

function foreignTraits(cell: ModelSnapshot, spec: GuestSpec, model: HostedModel): string[] {
  const traits: readonly [string, unknown, unknown][] = [
    ["biologicalType", cell.biologicalType, spec.biologicalType],
    ["parameterSet", cell.parameterSet, spec.config["parameterSet"] ?? DEFAULT_SET],
    ["noise", noiseOf(cell), noiseOf(spec.config)],
  ];
  const foreign = traits.flatMap(([name, kept, wanted]) =>
    kept === wanted ? [] : [`${name} ${kept}, not ${wanted}`],
  );
  if (model !== WEISSE) {
    const wanted = parametersOf(model, { ...spec.config, biologicalType: spec.biologicalType });
    if (canonicalJson(cell.parameters ?? {}) !== canonicalJson(wanted))
      foreign.push("it has other parameters");
  }
  const hasGenes = genesText(cell["genes"]) === genesText(spec.config["genes"]);
  return hasGenes ? foreign : [...foreign, "it has other genes"];
}

/** Returns the text of a list of genes; an absent list is an empty one. */
function genesText(genes: unknown): string {
  return canonicalJson(genes ?? []);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function requireSize({ length }: Uint8Array): void {
  if (length <= MAX_CHECKPOINT_BYTES) return;
  throw new DriverError(
    "TOO_LARGE",
    `the checkpoint has ${length} bytes, more than ${MAX_CHECKPOINT_BYTES}`,
    {
      details: { limitBytes: MAX_CHECKPOINT_BYTES, bytes: length },
    },
  );
}

function unusable(why: string, cause?: unknown): DriverError {
  return new DriverError("BAD_REQUEST", `cannot start from this checkpoint: ${why}`, { cause });
}
