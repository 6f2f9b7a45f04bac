/** Options of the cell's model: its name, its parameters, fields of its environment, and what is random in it. */
import {
  CELL_AGES,
  CELL_LINEAGES,
  CELL_NOISES,
  type CellAge,
  type CellLineage,
  type CellNoise,
} from "@bioxen/cell-models/declarations";
import { type Command, InvalidArgumentError } from "commander";
import { given, oneOf } from "./parse.ts";

export interface ModelOptions {
  readonly model?: string;
  readonly parameterSet?: string;
  readonly parameter?: Record<string, number>;
  readonly noise?: CellNoise;
  readonly age?: CellAge;
  readonly lineage?: CellLineage;
}

export function withModelOptions(command: Command): Command {
  return command
    .option("--model <name>", "cell model, one of bioxen models ls; default: weisse")
    .option("--parameter-set <name>", "named set of parameters of the model; default: default")
    .option("--parameter <name=n>", "value of a parameter of the model; repeatable", numberByName)
    .addOption(
      oneOf("--noise <kind>", "what is random in the cell, from its seed; default: none", CELL_NOISES),
    )
    .addOption(oneOf("--age <age>", "age of the cell at its start; default: newborn", CELL_AGES))
    .addOption(
      oneOf(
        "--lineage <daughters>",
        "daughters of a division that go on, each as a VM; default: one",
        CELL_LINEAGES,
      ),
    );
}

/** Returns the settings in the config of a VM. */
export function modelConfigOf(options: ModelOptions): Record<string, unknown> {
  const { model, parameterSet, parameter, noise, age, lineage } = options;
  return given({ model, parameterSet, parameters: parameter, noise, age, lineage });
}

/** Parses one number of a repeated option, such as `feed=20`. Returns those before, and this one. */
export function numberByName(
  text: string,
  before: Readonly<Record<string, number>> = {},
): Record<string, number> {
  const split = text.indexOf("=");
  const value = text.slice(split + 1).trim();
  const number = Number(value);
  if (split < 1 || value === "" || !Number.isFinite(number)) {
    throw new InvalidArgumentError("must be name=number.");
  }
  return { ...before, [text.slice(0, split)]: number };
}
