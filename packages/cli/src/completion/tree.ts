/**
 * The command tree as a shell completes it: what may follow where. Made from the commands themselves, so that nothing is completed that
 * is not there.
 */
import type { Argument, Command, Option } from "commander";

/** What a value is one of: ids that a running BioXen knows, files, or nothing that could be completed. */
export type ValueKind = "vm" | "chassis" | "rule" | "file" | "none";
export const ID_KINDS = ["vm", "chassis", "rule"] as const;

export interface CompletedOption {
  /** `-f` and `--file`, as far as it has them. */
  readonly flags: readonly string[];
  readonly description: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
  readonly kind: ValueKind;
}

export interface CompletedCommand {
  /** `vm create`; empty: `bioxen` itself. */
  readonly path: string;
  readonly description: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly CompletedOption[];
  readonly argument: ValueKind;
  readonly argumentChoices: readonly string[];
}

/** `bioxen` and every command below it, each after the one it belongs to. */
export function completionTree(command: Command, path = ""): CompletedCommand[] {
  const children = command.commands.filter((child) => !isHidden(child));
  const [argument] = command.registeredArguments;
  const own: CompletedCommand = {
    path,
    description: command.description(),
    commands: children.map((child) => ({ name: child.name(), description: child.description() })),
    options: command.options.filter(({ hidden }) => !hidden).map(completedOption),
    argument: argument === undefined ? "none" : kindOf(argument.name(), path),
    argumentChoices: argument?.argChoices ?? [],
  };
  return [own, ...children.flatMap((child) => completionTree(child, `${path} ${child.name()}`.trim()))];
}

/** Commander keeps it to itself, but leaves such commands out of its help. */
export function isHidden(command: Command): boolean {
  return !command.parent?.createHelp().visibleCommands(command.parent).includes(command);
}

function completedOption(option: Option): CompletedOption {
  return {
    flags: [option.short, option.long].filter((flag) => flag !== undefined),
    description: option.description,
    takesValue: option.required || option.optional,
    choices: option.argChoices ?? [],
    kind: kindOf(valueNameOf(option), ""),
  };
}

/** Of `--chassis <id>` that is `chassis`, of `-f, --file <file>` `file`. */
function valueNameOf({ flags, long }: Option): string {
  const [, value = ""] = /[<[]([^>\]]+)[>\]]/.exec(flags) ?? [];
  return value === "id" ? (long ?? "").replace(/^--/, "") : value;
}

function kindOf(name: Argument["description"], path: string): ValueKind {
  const noun = path.split(" ")[0];
  if (/^(?:file|dir)/.test(name)) return "file";
  if (name === "rule" || name === "chassis" || name === "vm") return name;
  if ((name === "id" || name === "ids") && (noun === "vm" || noun === "chassis")) return noun;
  return "none";
}
