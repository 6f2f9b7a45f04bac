/** Options of the cell's model: its name, its parameters, and fields of its environment. */
import { type Command, InvalidArgumentError } from "commander";
import { given } from "./parse.ts";

export interface ModelOptions {
  readonly model?: string;
  readonly parameterSet?: string;
  readonly parameter?: Record<string, number>;
}

export function withModelOptions(command: Command): Command {
  return command
    .option("--model <name>", "cell model, one of bioxen models ls; default: weisse")
    .option("--parameter-set <name>", "named set of parameters of the model; default: default")
    .option("--parameter <name=n>", "value of a parameter of the model; repeatable", numberByName);
}

/** Returns the settings in the config of a VM. */
export function modelConfigOf({ model, parameterSet, parameter }: ModelOptions): Record<string, unknown> {
  return given({ model, parameterSet, parameters: parameter });
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
