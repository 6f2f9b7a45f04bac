/**
 * `bioxen version`: the release of this command.
 */
import { BIOXEN_VERSION } from "@bioxen/contracts";
import type { Command } from "commander";
import { globalsOf, say, sayJson } from "../run.ts";

export function addVersionCommand(program: Command): void {
  program
    .command("version")
    .description("print the release of this command; those of the services are in bioxen status")
    .action((_options, command: Command) => {
      if (globalsOf(command).json === true) sayJson({ ok: true, version: BIOXEN_VERSION });
      else say(BIOXEN_VERSION);
    });
}
