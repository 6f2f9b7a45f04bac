/**
 * Chassis types from files: every `.json` file of one directory defines one.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type ChassisTypeData, parseChassisType } from "@bioxen/contracts";
import { messageOf } from "@bioxen/kernel";

/**
 * Returns the chassis types of all files in `directory`, in order of file name. Without a directory, the result is
 * empty. Throws `RangeError` with every problem of every file.
 */
export function readChassisTypes(directory: string | undefined): ChassisTypeData[] {
  if (directory === undefined) return [];
  const types: ChassisTypeData[] = [];
  const problems: string[] = [];
  for (const file of namesIn(directory)) {
    try {
      types.push(parseChassisType(file, JSON.parse(readFileSync(join(directory, file), "utf8"))));
    } catch (thrown) {
      const message = messageOf(thrown);
      problems.push(message.startsWith(file) ? message : `${file}: ${message}`);
    }
  }
  if (problems.length > 0) throw new RangeError(problems.join("\n"));
  return types;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith(".json"))
      .sort();
  } catch (thrown) {
    throw new RangeError(`cannot read chassis types: ${messageOf(thrown)}`);
  }
}
