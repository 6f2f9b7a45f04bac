/**
 * `bioxen vm predict`: the growth of a cell under constant conditions, computed from its model without a VM or a server.
 */
import {
  biologicalTypes,
  type CellEnvironment,
  type CellResource,
  cellTypeOf,
  type ParameterSetName,
  parameterSets,
  type SteadyState,
  steadyState,
} from "@bioxen/cell-models";
import { type BiologicalType, environment, requestedAmounts } from "@bioxen/contracts";
import type { Amounts } from "@bioxen/kernel";
import type { Command } from "commander";
import { endOf, usage } from "../outcome.ts";
import { amountOption, listOf, numberOf, oneOf } from "../parse.ts";
import { amountsLine, doublingTime, growthRate, resourceName, rounded } from "../quantities.ts";
import { conclude, globalsOf, say, sayJson } from "../run.ts";
import { table } from "../table.ts";

/** Largest number of predictions of one call. Each takes up to 50 ms of processor time. */
export const MAX_PREDICTIONS = 1_000;

/** The option of each resource, with the name of the resource. Genome space is no choice and changes no rate. */
const RESOURCES = { ribosomes: "ribosomes", atp: "atpPerSecond", rnap: "rnaPolymerases" } as const;
const MEDIUM = {
  nutrient: "nutrientQuality",
  substrate: "substrate",
  chloramphenicol: "chloramphenicolMicromolar",
} as const;

type Option = keyof typeof RESOURCES | keyof typeof MEDIUM;
type Value = number | string;

export interface PredictOptions extends Partial<Record<Option, readonly Value[]>> {
  readonly type: BiologicalType;
  readonly parameterSet?: ParameterSetName;
}

/** One combination of conditions and the steady state under it. */
export interface Prediction extends SteadyState {
  /** The values of the options with more than one value, as they were given. */
  readonly varied: Readonly<Partial<Record<Option, Value>>>;
  readonly allocation: Amounts;
  readonly environment: CellEnvironment;
}

export interface PredictionReport {
  readonly biologicalType: BiologicalType;
  readonly parameterSet: ParameterSetName;
  readonly predictions: readonly Prediction[];
}

const EXAMPLES = `
An option takes one value, or several with commas; every combination is predicted.

Examples:
  bioxen vm predict --type syn3a                            at its full demand
  bioxen vm predict --type syn3a --ribosomes 50%            with half of its ribosomes
  bioxen vm predict --type ecoli --ribosomes 25%,50%,100% --nutrient 0.08,0.5`;

export function addPredictCommand(vm: Command): void {
  const shares = "or shares, such as 50%; default: full demand";
  const medium = environment.shape;
  vm.command("predict")
    .description("compute the steady growth of a cell from its model; needs no server and starts nothing")
    .addOption(oneOf("--type <type>", "biological type of the cell", biologicalTypes).default("syn3a"))
    .addOption(oneOf("--parameter-set <name>", "parameters of the model; default: default", parameterSets))
    .option("--ribosomes <n,...>", `ribosomes, ${shares}`, listOf(amountOption))
    .option("--atp <n,...>", `ATP molecules per second, ${shares}`, listOf(amountOption))
    .option("--rnap <n,...>", `RNA polymerases, ${shares}`, listOf(amountOption))
    .option("--nutrient <n,...>", "nutrient quality", listOf(numberOf(medium.nutrientQuality)))
    .option("--substrate <n,...>", "substrate, molecules", listOf(numberOf(medium.substrate)))
    .option(
      "--chloramphenicol <n,...>",
      "chloramphenicol, micromolar",
      listOf(numberOf(medium.chloramphenicolMicromolar)),
    )
    .addHelpText("after", EXAMPLES)
    .action((options: PredictOptions, command: Command) => {
      const { json } = globalsOf(command);
      try {
        const report = predict(options);
        if (json === true) sayJson({ ok: true, ...report });
        else say(predictionWords(report));
      } catch (thrown) {
        conclude(endOf(thrown), json === true);
      }
    });
}

/**
 * Returns one prediction per combination of the values, the last option varying fastest. Throws a usage error when the
 * type has no such parameter set, or when there are more than {@link MAX_PREDICTIONS} combinations.
 */
export function predict(options: PredictOptions): PredictionReport {
  const { type: biologicalType, parameterSet = "default" } = options;
  const names = [...Object.keys(RESOURCES), ...Object.keys(MEDIUM)] as Option[];
  const given = names.flatMap((name) =>
    options[name] === undefined ? [] : [[name, options[name]] as const],
  );
  const count = given.reduce((product, [, values]) => product * values.length, 1);
  if (count > MAX_PREDICTIONS) {
    throw usage(`these values have ${count} combinations; at most ${MAX_PREDICTIONS} are predicted at once`);
  }
  const { fullDemand } = usable(() => cellTypeOf(biologicalType, parameterSet));
  const predictions = combinations(given).map((chosen) => {
    const allocation = allocationOf(fullDemand, chosen);
    const medium = mediumOf(chosen);
    const varied = Object.fromEntries(
      given.flatMap(([name, { length }]) => (length > 1 ? [[name, chosen[name]]] : [])),
    );
    return {
      varied,
      allocation,
      environment: medium,
      ...predicted(biologicalType, parameterSet, allocation, medium),
    };
  });
  return { biologicalType, parameterSet, predictions };
}

type Chosen = Readonly<Partial<Record<Option, Value>>>;

function combinations(given: readonly (readonly [Option, readonly Value[]])[]): Chosen[] {
  return given.reduce<Chosen[]>(
    (before, [name, values]) =>
      before.flatMap((chosen) => values.map((value) => ({ ...chosen, [name]: value }))),
    [{}],
  );
}

function allocationOf(full: Amounts, chosen: Chosen): Amounts {
  const requested: Partial<Record<CellResource, Value | undefined>> = {};
  for (const [option, resource] of Object.entries(RESOURCES)) requested[resource] = chosen[option as Option];
  return requestedAmounts(requested, full, full);
}

function mediumOf(chosen: Chosen): CellEnvironment {
  return Object.fromEntries(
    Object.entries(MEDIUM).flatMap(([option, field]) => {
      const value = chosen[option as Option];
      return value === undefined ? [] : [[field, value]];
    }),
  );
}

function predicted(
  biologicalType: BiologicalType,
  parameterSet: ParameterSetName,
  allocation: Amounts,
  medium: CellEnvironment,
): SteadyState {
  return usable(() => steadyState({ biologicalType, parameterSet, allocation, environment: medium }));
}

/** Returns what `compute` returns. A value that the model refuses is one that the user gave: throws a usage error. */
function usable<T>(compute: () => T): T {
  try {
    return compute();
  } catch (thrown) {
    if (thrown instanceof RangeError) throw usage(thrown.message);
    throw thrown;
  }
}

function predictionWords({ biologicalType, parameterSet, predictions }: PredictionReport): string {
  const [first] = predictions;
  if (predictions.length === 1 && first !== undefined)
    return singleWords(biologicalType, parameterSet, first);
  const varied = Object.keys(first?.varied ?? {}) as Option[];
  const rows = predictions.map((one) => [
    ...varied.map((name) => String(one.varied[name])),
    doubling(one),
    growthRate(one.growthRatePerMinute),
    `${Math.round(one.ribosomes.engaged)} of ${Math.round(one.ribosomes.total)}`,
    rounded(one.ribosomalMassFraction),
    String(Math.round(one.atpPerSecond)),
  ]);
  const heads = [
    ...varied.map((name) => name.toUpperCase()),
    "DOUBLING",
    "GROWTH",
    "RIBOSOMES",
    "PHI_R",
    "ATP/S",
  ];
  return `${biologicalType}, parameters ${parameterSet}\n${table(heads, rows)}${unsettledNote(predictions)}`;
}

function singleWords(biologicalType: string, parameterSet: string, one: Prediction): string {
  const medium = Object.entries(one.environment).map(([name, value]) => `${resourceName(name)} ${value}`);
  const rows = [
    ["cell", `${biologicalType}, parameters ${parameterSet}`],
    ["allocation", amountsLine(one.allocation)],
    ["medium", medium.length === 0 ? "that of its type" : medium.join(", ")],
    ["doubling time", doubling(one)],
    ["growth rate", growthRate(one.growthRatePerMinute)],
    ["of the reference", `${rounded(one.relativeGrowthRate * 100)} %`],
    [
      "ribosomes",
      `${Math.round(one.ribosomes.total)}, of them ${Math.round(one.ribosomes.engaged)} translating`,
    ],
    ["ribosomal mass fraction", rounded(one.ribosomalMassFraction)],
    ["elongation", `${rounded(one.elongationPerSecond)} amino acids per second`],
    ["ATP of translation", `${Math.round(one.atpPerSecond)} per second`],
    ["protein", `${Math.round(one.proteinAminoAcids)} amino acids`],
  ];
  const width = Math.max(...rows.map(([name = ""]) => name.length));
  const lines = rows.map(([name = "", value]) => `${name.padEnd(width)}  ${value}`);
  return `${lines.join("\n")}${unsettledNote([one])}`;
}

/** A cell that oscillates is marked, because its figures are those of a moment. */
function doubling({ doublingTimeMinutes, settled }: Prediction): string {
  return `${doublingTime(doublingTimeMinutes)}${settled ? "" : " *"}`;
}

function unsettledNote(predictions: readonly Prediction[]): string {
  return predictions.every(({ settled }) => settled)
    ? ""
    : "\n* the cell does not settle: it oscillates, and the figures are those of one moment";
}
