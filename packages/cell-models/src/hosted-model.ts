/**
 * Makes a model of another author fit for a driver: what goes in is checked against the declaration and completed with
 * the defaults, and what comes out has exactly what was declared.
 *
 * A model's own fault (an output that is no number, a count of divisions below 0) is thrown as an `Error`, so that it
 * fails the guest with a reason and does not spread.
 */
import { allocationProblems, type CellAllocation } from "./allocation.ts";
import type {
  BootOptions,
  CellModel,
  HostedCell,
  HostedModel,
  LivingCell,
  MediumFields,
  ModelSample,
  ModelSnapshot,
  Quantities,
} from "./cell-model.ts";
import { declarationOf } from "./model-declaration.ts";
import {
  DEFAULT_SET,
  environmentOf,
  environmentValueProblems,
  type ModelSettings,
  parametersOf,
  settingProblems,
} from "./model-settings.ts";
import type { StateVariable } from "./state.ts";

/** Options that only the built-in model takes. */
const BUILT_IN_OPTIONS = ["noise", "partitionNoise", "age", "lineage", "genes"] as const;

/** The identity of a cell: what never changes in its life. */
interface Kind {
  readonly biologicalType: string;
  readonly parameterSet: string;
  readonly parameters: Quantities;
}

export function hosted(model: CellModel): HostedModel {
  return {
    ...declarationOf(model),
    boot: (options) => boot(model, options),
    restore(snapshot, options) {
      const kind = kindOf(model, snapshot);
      return new Hosted(model, kind, model.restore(snapshot, options));
    },
  };
}

function boot(model: CellModel, options: BootOptions): HostedCell {
  const { allocation, seed, environment = {} } = options;
  const problems = [
    ...texts(settingProblems(model, options)),
    ...texts(environmentValueProblems(model, environment)),
    ...allocationProblems(allocation),
    ...(Number.isSafeInteger(seed) && seed >= 0 ? [] : [`seed: ${seed} is not an integer of 0 or more`]),
    ...BUILT_IN_OPTIONS.filter((name) => options[name] !== undefined && options[name] !== false).map(
      (name) => `${name}: the model ${model.name} has none`,
    ),
  ];
  requireNone(problems);
  const kind = settledKind(model, options);
  const complete = environmentOf(model, options, environment);
  return new Hosted(
    model,
    kind,
    model.boot({ ...kind, allocation: { ...allocation }, environment: complete, seed }),
  );
}

/** Returns the kind of cell of a snapshot. Throws a `RangeError` that lists every problem of it. */
function kindOf(model: CellModel, snapshot: ModelSnapshot): Kind {
  const { biologicalType, parameterSet, parameters } = snapshot;
  requireNone(texts(settingProblems(model, { biologicalType, parameterSet, parameters })));
  return settledKind(model, { biologicalType, parameterSet, parameters });
}

function settledKind(model: CellModel, settings: ModelSettings): Kind {
  const { biologicalType, parameterSet = DEFAULT_SET } = settings;
  const parameters = parametersOf(model, settings);
  return { biologicalType, parameterSet: String(parameterSet), parameters };
}

class Hosted implements HostedCell {
  readonly #model: CellModel;
  readonly #kind: Kind;
  readonly #cell: LivingCell;

  constructor(model: CellModel, kind: Kind, cell: LivingCell) {
    this.#model = model;
    this.#kind = kind;
    this.#cell = cell;
  }

  get simMinutes(): number {
    return this.#cell.simMinutes;
  }

  get allocation(): CellAllocation {
    return this.#cell.allocation;
  }

  get environment(): Quantities {
    return this.#cell.environment;
  }

  get stateVariables(): readonly StateVariable[] | undefined {
    return this.#cell.stateVariables;
  }

  advance(minutes: number): number {
    const before = this.#cell.simMinutes;
    const divisions = this.#cell.advance(minutes);
    if (!(Number.isSafeInteger(divisions) && divisions >= 0)) {
      throw this.#fault(`advance returned ${divisions}, not a number of divisions`);
    }
    if (this.#cell.simMinutes !== before + minutes) {
      throw this.#fault(`${minutes} minutes took the cell from minute ${before} to ${this.#cell.simMinutes}`);
    }
    return divisions;
  }

  sample(): ModelSample {
    const sample = this.#cell.sample();
    const { outputs: declared } = this.#model;
    for (const name of ["simMinutes", "growthRatePerMinute", "divisions", "health"] as const) {
      if (!Number.isFinite(sample[name])) throw this.#fault(`${name} is ${sample[name]}, not a number`);
    }
    if (declared.length === 0) return sample;
    const outputs = declared.map(({ name }) => {
      const value = sample.outputs?.[name];
      if (!Number.isFinite(value)) throw this.#fault(`the output ${name} is ${value}, not a number`);
      return [name, value as number] as const;
    });
    return { ...sample, outputs: Object.fromEntries(outputs) };
  }

  stateValues(): readonly number[] {
    return this.#cell.stateValues?.() ?? [];
  }

  setAllocation(allocation: CellAllocation): void {
    requireNone(allocationProblems(allocation));
    this.#cell.setAllocation({ ...allocation });
  }

  setEnvironment(environment: MediumFields): void {
    requireNone(texts(environmentValueProblems(this.#model, environment)));
    this.#cell.setEnvironment(environmentOf(this.#model, this.#kind, environment));
  }

  snapshot(): ModelSnapshot {
    return { ...this.#cell.snapshot(), ...this.#kind, partitionNoise: false };
  }

  #fault(what: string): Error {
    return new Error(`the model ${this.#model.name}: ${what}`);
  }
}

function texts(problems: readonly { readonly path: string; readonly message: string }[]): string[] {
  return problems.map(({ path, message }) => `${path}: ${message}`);
}

function requireNone(problems: readonly string[]): void {
  if (problems.length > 0) throw new RangeError(problems.join("; "));
}
