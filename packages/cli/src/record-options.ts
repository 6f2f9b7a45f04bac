/**
 * The options for the time course of a new VM.
 */
import { type RequestOf, record } from "@bioxen/contracts";
import type { Command } from "commander";
import { usage } from "./outcome.ts";
import { fieldNames, given, numberOf } from "./parse.ts";

export interface RecordOptions {
  readonly recordEvery?: number;
  readonly recordFields?: string[];
}

export function withRecordOptions(command: Command): Command {
  return command
    .option(
      "--record-every <minutes>",
      "record its time course at this interval of simulated time (`vm course`); default: none",
      numberOf(record.shape.everyMinutes),
    )
    .option("--record-fields <names>", "recorded fields, by commas; default: all", fieldNames);
}

/** Returns what the VM records; undefined for nothing. Throws a usage error for fields without an interval. */
export function recordOf({ recordEvery, recordFields }: RecordOptions): RequestOf<"vmCreate">["record"] {
  if (recordEvery === undefined && recordFields === undefined) return undefined;
  if (recordEvery === undefined) throw usage("--record-fields needs --record-every");
  return given({ everyMinutes: recordEvery, fields: recordFields });
}
