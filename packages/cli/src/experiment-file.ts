/**
 * Reads the experiment file that a command names.
 */
import { type Experiment, experimentOf } from "@bioxen/contracts";
import { CommandEnd, EXIT_USAGE } from "./outcome.ts";
import { readSource } from "./parse.ts";

/** Returns the experiment of a file. Throws a usage error that names every problem with its line. */
export async function experimentIn(file: string): Promise<Experiment> {
  const text = await readSource(file);
  // Loaded only here: the other commands need no YAML parser.
  const { fileProblemWords, parseFile } = await import("./yaml-file.ts");
  const read = parseFile(text, "experiments");
  const parsed = read.ok ? experimentOf(read.content) : read;
  if (parsed.ok) return parsed.experiment;
  const problems = read.ok ? parsed.problems.map(read.located) : read.problems;
  const message = fileProblemWords(file, "a valid experiment file", problems);
  const error = { code: "BAD_REQUEST", message, retryable: false, details: { problems } };
  throw new CommandEnd(EXIT_USAGE, message, error);
}
