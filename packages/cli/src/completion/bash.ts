/**
 * Generates the completion script for bash 3.2 and newer. The script derives the command from the typed words. A word
 * that begins with a dash completes to options, any other word to subcommands, choices, ids or files.
 */
import { type CompletedCommand, type CompletedOption, ID_KINDS } from "./tree.ts";

/** Returns the script that `bioxen completion bash` prints. */
export function bashCompletion(tree: readonly CompletedCommand[]): string {
  const paths = tree.filter(({ path }) => path !== "").map(({ path }) => quoted(path));
  return `# bash completion of bioxen: source <(bioxen completion bash)
_bioxen() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="" path="" word next i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    next="\${path:+$path }$word"
    case "$next" in
      ${paths.join(" | \\\n      ")}) path="$next" ;;
    esac
  done
  ((COMP_CWORD > 1)) && prev="\${COMP_WORDS[COMP_CWORD - 1]}"
  COMPREPLY=()
  case "$path $prev" in
${tree.flatMap(({ path, options }) => valueCases(path, options)).join("\n")}
  esac
  local words="" ids=""
  case "$path" in
${tree.map(commandCase).join("\n")}
  esac
  case "$cur" in
    -*) ;;
    *) case "$ids" in
        file) COMPREPLY=($(compgen -f -- "$cur")) && return ;;
        ?*) words="$words $(_bioxen_ids "$ids")" ;;
      esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}

# Prints the ids of the reachable BioXen, or nothing when none answers at once.
_bioxen_ids() {
  bioxen __ids "$1" 2>/dev/null
}

complete -o default -F _bioxen bioxen
`;
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["$`\\]/g, "\\$&")}"`;
}

/** Returns one shell `case` branch per option that takes a value. The branch completes the value and returns. */
function valueCases(path: string, options: readonly CompletedOption[]): string[] {
  return options.flatMap(({ flags, takesValue, choices, kind }) => {
    if (!takesValue) return [];
    const patterns = flags.map((flag) => quoted(`${path} ${flag}`)).join(" | ");
    return [`    ${patterns}) ${valueAction(choices, kind)}return ;;`];
  });
}

function valueAction(choices: readonly string[], kind: string): string {
  if (choices.length > 0) return `COMPREPLY=($(compgen -W ${quoted(choices.join(" "))} -- "$cur")); `;
  if (kind === "file") return 'COMPREPLY=($(compgen -f -- "$cur")); ';
  if (!ID_KINDS.some((id) => id === kind)) return "";
  return `COMPREPLY=($(compgen -W "$(_bioxen_ids ${kind})" -- "$cur")); `;
}

function commandCase({ path, commands, options, argument, argumentChoices }: CompletedCommand): string {
  const names = [...commands.map(({ name }) => name), ...argumentChoices];
  const flags = options.flatMap((option) => option.flags);
  const words = `case "$cur" in -*) words=${quoted(flags.join(" "))} ;; *) words=${quoted(names.join(" "))} ;; esac`;
  const ids = argument === "none" ? "" : `; ids=${argument}`;
  return `    ${quoted(path)}) ${words}${ids} ;;`;
}
