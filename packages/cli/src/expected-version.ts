/**
 * The option `--expected-version` of the commands that change something.
 */
import { expectedVersion } from "@bioxen/contracts";
import { type Command, Option } from "commander";
import { given, numberOf } from "./parse.ts";

export interface VersionOptions {
  readonly expectedVersion?: number;
}

export function expectedVersionOption(): Option {
  const meaning = "change it only at this version; CONFLICT at another";
  return new Option("--expected-version <n>", meaning).argParser(numberOf(expectedVersion));
}

export function withExpectedVersion(command: Command): Command {
  return command.addOption(expectedVersionOption());
}

/** Returns the part of a request that the option gives. */
export function versionOf({ expectedVersion }: VersionOptions): { readonly expectedVersion?: number } {
  return given({ expectedVersion });
}
