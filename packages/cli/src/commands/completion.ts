/**
 * `bioxen completion SHELL`, which prints a completion script, and the hidden command by which these scripts get the
 * ids of VMs, chassis and alert rules.
 */
import { Argument, type Command } from "commander";
import { bashCompletion } from "../completion/bash.ts";
import { fishCompletion } from "../completion/fish.ts";
import { completionTree, ID_KINDS } from "../completion/tree.ts";
import { zshCompletion } from "../completion/zsh.ts";
import { globalsOf, sayJson, sayRaw } from "../run.ts";
import { Session } from "../session.ts";

/** Deadline of the request for ids after a Tab key, ms. Ids that arrive later are not offered. */
const TAB_TIMEOUT_MS = 1_000;

const SHELLS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

const EXAMPLES = `
Examples:
  source <(bioxen completion bash)       in ~/.bashrc
  source <(bioxen completion zsh)        in ~/.zshrc, after compinit
  bioxen completion fish | source        in ~/.config/fish/config.fish`;

export function addCompletionCommand(program: Command): void {
  program
    .command("completion")
    .description(
      "print a completion script for a shell: commands, options, and ids of VMs, chassis and rules",
    )
    .addArgument(new Argument("<shell>", "shell").choices(Object.keys(SHELLS)))
    .addHelpText("after", EXAMPLES)
    .action((shell: keyof typeof SHELLS, _options, command: Command) => {
      const script = SHELLS[shell](completionTree(program));
      if (globalsOf(command).json === true) sayJson({ ok: true, shell, script });
      else sayRaw(script.trimEnd());
    });
}

export function addIdsCommand(program: Command): void {
  program
    .command("__ids", { hidden: true })
    .addArgument(new Argument("<kind>").choices(ID_KINDS))
    .action(async (kind: (typeof ID_KINDS)[number], _options, command: Command) => {
      // An error text would disturb the command line that is being completed, so a failed request offers no ids
      // instead.
      const ids = await idsOf(kind, command).catch(() => []);
      if (ids.length > 0) sayRaw(ids.join("\n"));
    });
}

async function idsOf(kind: (typeof ID_KINDS)[number], command: Command): Promise<string[]> {
  const session = await Session.open({ ...globalsOf(command), timeout: TAB_TIMEOUT_MS }, { repeat: false });
  try {
    if (kind === "vm") return (await session.listAllVms()).map(({ vmId }) => vmId);
    if (kind === "rule") return (await session.ask("alertList", {})).rules.map(({ ruleId }) => ruleId);
    return (await session.ask("chassisList", {})).chassis.map(({ chassisId }) => chassisId);
  } finally {
    await session.close();
  }
}
