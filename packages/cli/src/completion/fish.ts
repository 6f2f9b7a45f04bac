/**
 * Generates the completion script for fish: one `complete` line per possible word. Each line has a condition, so that
 * fish offers the word only after its own command, such as `vm create`.
 */
import { type CompletedCommand, type CompletedOption, ID_KINDS } from "./tree.ts";

/** Returns the script that `bioxen completion fish` prints. */
export function fishCompletion(tree: readonly CompletedCommand[]): string {
  const paths = tree.filter(({ path }) => path !== "").map(({ path }) => quoted(path));
  return `# fish completion of bioxen: bioxen completion fish | source
function __bioxen_at --description 'tests whether the typed words lead to this command'
    set --local paths ${paths.join(" ")}
    set --local path ''
    for word in (commandline -opc)[2..-1]
        set --local next (string trim -- "$path $word")
        contains -- $next $paths; and set path $next
    end
    test "$path" = "$argv[1]"
end

function __bioxen_ids --description 'prints the ids of the reachable BioXen, if it answers at once'
    bioxen __ids $argv[1] 2>/dev/null
end

complete -c bioxen -f
${tree.flatMap(linesOf).join("\n")}
`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

function linesOf(command: CompletedCommand): string[] {
  const at = `complete -c bioxen -n ${quoted(`__bioxen_at ${quoted(command.path)}`)}`;
  return [
    ...command.commands.map(({ name, description }) => `${at} -a ${quoted(name)} -d ${quoted(description)}`),
    ...command.argumentChoices.map((choice) => `${at} -a ${quoted(choice)}`),
    ...(command.argument === "file" ? [`${at} -F`] : []),
    ...(ID_KINDS.some((kind) => kind === command.argument)
      ? [`${at} -a ${quoted(`(__bioxen_ids ${command.argument})`)}`]
      : []),
    ...command.options.map((option) => `${at}${optionWords(option)}`),
  ];
}

function optionWords({ flags, description, takesValue, choices, kind }: CompletedOption): string {
  const names = flags.map((flag) =>
    flag.startsWith("--") ? ` -l ${flag.slice(2)}` : ` -s ${flag.slice(1)}`,
  );
  const value = takesValue ? valueWords(choices, kind) : "";
  return `${names.join("")}${value} -d ${quoted(description)}`;
}

function valueWords(choices: readonly string[], kind: string): string {
  if (choices.length > 0) return ` -x -a ${quoted(choices.join(" "))}`;
  if (kind === "file") return " -r -F";
  return ID_KINDS.some((id) => id === kind) ? ` -x -a ${quoted(`(__bioxen_ids ${kind})`)}` : " -x";
}
