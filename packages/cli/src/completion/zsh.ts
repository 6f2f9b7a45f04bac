/**
 * Generates the completion script for zsh. It has the same tables as the script for bash, and a description for each
 * word.
 */
import { shellWord } from "../shell-word.ts";
import { type CompletedCommand, type CompletedOption, ID_KINDS } from "./tree.ts";

/** Returns the script that `bioxen completion zsh` prints. */
export function zshCompletion(tree: readonly CompletedCommand[]): string {
  const paths = tree.filter(({ path }) => path !== "").map(({ path }) => shellWord(path));
  return `#compdef bioxen
# zsh completion of bioxen: source <(bioxen completion zsh), or save it as _bioxen in a directory of $fpath
_bioxen() {
  local path_="" next word prev="" i
  for ((i = 2; i < CURRENT; i++)); do
    word="\${words[i]}"
    next="\${path_:+$path_ }$word"
    case "$next" in
      ${paths.join(" | \\\n      ")}) path_="$next" ;;
    esac
  done
  ((CURRENT > 2)) && prev="\${words[CURRENT - 1]}"
  case "$path_ $prev" in
${tree.flatMap(({ path, options }) => valueCases(path, options)).join("\n")}
  esac
  local -a commands options
  local ids=""
  case "$path_" in
${tree.map(commandCase).join("\n")}
  esac
  if [[ "\${words[CURRENT]}" == -* ]]; then
    _describe -o 'option' options
    return
  fi
  [[ "$ids" == file ]] && _files
  [[ -n "$ids" && "$ids" != file ]] && compadd -- \${(f)"$(_bioxen_ids "$ids")"}
  (( \${#commands} )) && _describe 'command' commands
}

# Prints the ids of the reachable BioXen, or nothing when none answers at once.
_bioxen_ids() {
  bioxen __ids "$1" 2>/dev/null
}

if [ "\${funcstack[1]}" = "_bioxen" ]; then
  _bioxen "$@"
else
  compdef _bioxen bioxen
fi
`;
}

/**
 * Returns `word:description`, the form that zsh's `_describe` reads. Colons in the word are escaped, because an
 * unescaped colon ends the word.
 */
function described(word: string, description: string): string {
  return shellWord(`${word.replaceAll(":", "\\:")}:${description}`);
}

function valueCases(path: string, options: readonly CompletedOption[]): string[] {
  return options.flatMap(({ flags, takesValue, choices, kind }) => {
    if (!takesValue) return [];
    const patterns = flags.map((flag) => shellWord(`${path} ${flag}`)).join(" | ");
    return [`    ${patterns}) ${valueAction(choices, kind)}return ;;`];
  });
}

function valueAction(choices: readonly string[], kind: string): string {
  if (choices.length > 0) return `compadd -- ${choices.map(shellWord).join(" ")}; `;
  if (kind === "file") return "_files; ";
  return ID_KINDS.some((id) => id === kind) ? `compadd -- \${(f)"$(_bioxen_ids ${kind})"}; ` : "";
}

function commandCase({ path, commands, options, argument, argumentChoices }: CompletedCommand): string {
  const names = [
    ...commands.map(({ name, description }) => described(name, description)),
    ...argumentChoices.map(shellWord),
  ];
  const flags = options.flatMap((option) => option.flags.map((flag) => described(flag, option.description)));
  const ids = argument === "none" ? "" : `; ids=${argument}`;
  return `    ${shellWord(path)}) commands=(${names.join(" ")}); options=(${flags.join(" ")})${ids} ;;`;
}
