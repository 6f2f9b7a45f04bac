/**
 * The command tree for shell completion: the words that may follow each command. It is derived from the command
 * definitions, so that completion always matches the commands that exist.
 */
import type { Argument, Command, Option } from "commander";
import { CONNECTION_KEYS } from "../settings.ts";

/**
 * Kind of a value that the shell completes: an id of a running BioXen (`vm`, `chassis`, `rule`), a file, or free text
 * that cannot be completed (`none`).
 */
export type ValueKind = "vm" | "chassis" | "rule" | "file" | "none";
export const ID_KINDS = ["vm", "chassis", "rule"] as const;

export interface CompletedOption {
  /** Short and long form of the option, such as `-f` and `--file`; at least one of the two. */
  readonly flags: readonly string[];
  readonly description: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
  readonly kind: ValueKind;
}

export interface CompletedCommand {
  /** Name of the command with its parents below `bioxen`, such as `vm create`; empty for `bioxen` itself. */
  readonly path: string;
  readonly description: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly CompletedOption[];
  readonly argument: ValueKind;
  readonly argumentChoices: readonly string[];
}

/** Returns `command` and all visible commands below it, each parent before its children. */
export function completionTree(command: Command, path = ""): CompletedCommand[] {
  const children = command.commands.filter((child) => !isHidden(child));
  const [argument] = command.registeredArguments;
  const own: CompletedCommand = {
    path,
    description: command.description(),
    commands: children.map((child) => ({ name: child.name(), description: child.description() })),
    options: command.options.filter(isOffered).map(completedOption),
    argument: argument === undefined ? "none" : kindOf(argument.name(), path),
    argumentChoices: argument?.argChoices ?? [],
  };
  return [own, ...children.flatMap((child) => completionTree(child, `${path} ${child.name()}`.trim()))];
}

/**
 * Returns whether help omits the command. Commander has no public flag for this; its help lists only visible commands.
 */
export function isHidden(command: Command): boolean {
  return !command.parent?.createHelp().visibleCommands(command.parent).includes(command);
}

/**
 * Returns whether completion offers the option: every visible option and every option of the connection. Help hides the
 * connection options of subcommands, but they are valid for every command.
 */
function isOffered(option: Option): boolean {
  return !option.hidden || CONNECTION_KEYS.some((key) => key === option.attributeName());
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

/**
 * Returns what the value of an option stands for: the word in brackets, such as `file` for `-f, --file <file>`. For the
 * word `id`, returns the long flag instead, such as `chassis` for `--chassis <id>`.
 */
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
