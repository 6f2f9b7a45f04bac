/**
 * Parses lists such as `ecoli:2,yeast`: chassis types, each with a number of chassis (default 1).
 */

import { suggestion } from "@bioxen/contracts";
import { InvalidArgumentError } from "commander";

export interface ChassisCount<T extends string> {
  readonly chassisType: T;
  readonly count: number;
}

/**
 * Returns `before`, the list from earlier uses of the same option, with the entries of `text` appended. Throws an
 * `InvalidArgumentError` for the first problem.
 */
export function chassisCounts<T extends string>(
  text: string,
  types: readonly T[],
  most: number,
  before: readonly ChassisCount<T>[] = [],
): ChassisCount<T>[] {
  const all = [...before];
  for (const part of text.split(",")) {
    const [name = "", count = "1", ...more] = part.trim().split(":");
    const chassisType = types.find((type) => type === name);
    if (chassisType === undefined)
      throw new InvalidArgumentError(
        `the type must be one of ${types.join(", ")}${suggestion(name, types)}.`,
      );
    if (more.length > 0 || !/^[0-9]+$/.test(count) || Number(count) < 1 || Number(count) > most)
      throw new InvalidArgumentError(`the number must be an integer from 1 to ${most}.`);
    if (all.some((other) => other.chassisType === chassisType))
      throw new InvalidArgumentError(`${chassisType} is listed twice.`);
    all.push({ chassisType, count: Number(count) });
  }
  return all;
}
