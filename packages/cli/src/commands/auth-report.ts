/**
 * How the commands of `bioxen auth` end.
 */
import { Fault } from "@bioxen/kernel";
import type { Command } from "commander";
import { endOf, usage } from "../outcome.ts";
import { conclude, globalsOf } from "../run.ts";

/** Runs `work`, and prints its error. Wrong names and options are wrong usage. */
export async function reported(command: Command, work: (json: boolean) => Promise<void>): Promise<void> {
  const json = globalsOf(command).json === true;
  try {
    await work(json);
  } catch (thrown) {
    const isWrongUse = thrown instanceof Fault && thrown.code === "BAD_REQUEST";
    conclude(isWrongUse ? usage(thrown.message) : endOf(thrown), json);
  }
}
