/**
 * Options for a range of a time course, and the file that a course or a plot is written to.
 */
import { writeFile } from "node:fs/promises";
import { extname } from "node:path";
import { simMinute } from "@bioxen/contracts";
import { messageOf } from "@bioxen/kernel";
import type { Command } from "commander";
import { CommandEnd, EXIT_REFUSED, usage } from "./outcome.ts";
import { numberOf } from "./parse.ts";
import { note } from "./run.ts";

export interface RangeOptions {
  readonly fromMinute?: number;
  readonly toMinute?: number;
}

export function withRangeOptions(command: Command): Command {
  return command
    .option("--from-minute <n>", "first simulated minute; default 0", numberOf(simMinute))
    .option("--to-minute <n>", "last simulated minute; default: the last recorded one", numberOf(simMinute));
}

/** Returns the extension of the file's name, one of `known`; a usage error for another one. */
export function extensionIn<E extends string>(file: string, known: readonly E[]): E {
  const extension = extname(file).toLowerCase();
  const found = known.find((one) => one === extension);
  if (found === undefined)
    throw usage(
      `--out ${file}: the name of the file must end in ${new Intl.ListFormat("en", { type: "disjunction" }).format(known)}`,
    );
  return found;
}

/** Writes the file and notes `what` is in it; a refusal when the file cannot be written. */
export async function save(file: string, content: string | Uint8Array, what: string): Promise<void> {
  try {
    await writeFile(file, content);
  } catch (thrown) {
    throw new CommandEnd(EXIT_REFUSED, `cannot write ${file}: ${messageOf(thrown)}`);
  }
  note(`${what} in ${file}`);
}
