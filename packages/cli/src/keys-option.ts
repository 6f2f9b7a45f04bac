/**
 * The option that names a directory of keys.
 */
import type { Command } from "commander";

export interface KeysOption {
  readonly keys?: string;
}

export function withKeysOption(command: Command): Command {
  return command.option(
    "--keys <dir>",
    "directory of bioxen auth init, for a server elsewhere; default: the keys of the local stack",
  );
}
