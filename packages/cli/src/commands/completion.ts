/**
 * `bioxen completion SHELL`, and what the shells ask back: ids of what there is.
 */
import { Argument, type Command } from "commander";
import { bashCompletion } from "../completion/bash.ts";
import { fishCompletion } from "../completion/fish.ts";
import { completionTree, ID_KINDS } from "../completion/tree.ts";
import { zshCompletion } from "../completion/zsh.ts";
import { globalsOf, say, sayJson } from "../run.ts";
import { Session } from "../session.ts";

/** Of a request while somebody waits for a Tab, ms: what takes longer is not completed. */
const TAB_TIMEOUT_MS = 1_000;

const SHELLS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

const EXAMPLES = `
Examples:
  source <(bioxen completion bash)       in ~/.bashrc
  source <(bioxen completion zsh)        in ~/.zshrc, after compinit
  bioxen completion fish | source        in ~/.config/fish/config.fish`;

export function addCompletionCommands(program: Command): void {
  program
    .command("completion")
    .description("print what a shell completes commands, options, and ids of VMs and chassis with")
    .addArgument(new Argument("<shell>", "the shell").choices(Object.keys(SHELLS)))
    .addHelpText("after", EXAMPLES)
    .action((shell: keyof typeof SHELLS, _options, command: Command) => {
      const script = SHELLS[shell](completionTree(program));
      if (globalsOf(command).json === true) sayJson({ ok: true, shell, script });
      else say(script.trimEnd());
    });
  program
    .command("__ids", { hidden: true })
    .addArgument(new Argument("<kind>").choices(ID_KINDS))
    .action(async (kind: (typeof ID_KINDS)[number], _options, command: Command) => {
      // Nobody wants to read an error where he pressed Tab.
      const ids = await idsOf(kind, command).catch(() => []);
      if (ids.length > 0) say(ids.join("\n"));
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
