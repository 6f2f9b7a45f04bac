/** The Lua API of a cell as data: the text of `help` in `bioxen vm console`, and the words that Tab completes. */

interface Entry {
  /** The text that Tab completes. */
  readonly word: string;
  /** The form that `help` shows; `word` when absent. */
  readonly form?: string;
  /** What the entry is, with its unit. */
  readonly text: string;
}

/** Every field of the table `cell`, in the order of the page docs/lua.md. */
export const CELL_API: readonly Entry[] = [
  { word: "cell.id", text: "id of the VM" },
  { word: "cell.type", text: "biological type of the VM: syn3a, ecoli or minimal_cell" },
  { word: "cell.sim_minutes()", text: "simulated time since the start of the cell, minutes" },
  { word: "cell.growth_rate()", text: "growth rate, per minute" },
  { word: "cell.doubling_time()", text: "doubling time, minutes; nil while the cell does not grow" },
  { word: "cell.health()", text: "growth rate as a share of the type's reference rate, 0 to 100 %" },
  { word: "cell.divisions()", text: "number of divisions since the start of the cell" },
  { word: "cell.protein_amino_acids()", text: "protein in the cell, amino acids" },
  {
    word: "cell.ribosomes()",
    text: "{total, engaged, cap}: ribosomes in the cell, translating ones, most allowed",
  },
  {
    word: "cell.atp()",
    text: "{molecules, per_second, cap_per_second}: energy in the cell, its use, most allowed",
  },
  { word: "cell.rna_polymerases()", text: "{cap}: most RNA polymerases allowed" },
  { word: "cell.outputs()", text: "outputs of the model and amounts of genes, by name" },
  { word: "cell.environment()", text: "{nutrient_quality, substrate, chloramphenicol_um}: the medium" },
  {
    word: "cell.set_environment{",
    form: "cell.set_environment{…}",
    text: "changes fields of the medium; applied when the call succeeds",
  },
];

/** The other names that a guest has of BioXen. */
const GUEST_API: readonly Entry[] = [
  { word: "state", text: "a table that checkpoints keep; other globals are lost with the guest" },
  {
    word: "on_minute",
    form: "on_minute(cell, minutes)",
    text: "define it: called at the end of every simulated minute",
  },
  {
    word: "on_division",
    form: "on_division(cell, divisions)",
    text: "define it: called in a minute with divisions",
  },
  { word: "print(", form: "print(…)", text: "prints a line to the console and to `bioxen vm logs`" },
];

/** Least width of the explanations in `help`, columns. */
const LEAST_TEXT_COLUMNS = 20;
/** The functions of the standard libraries that people type most. */
const STANDARD_WORDS = [
  "math.random(",
  "string.format(",
  "table.concat(",
  "table.insert(",
  "pairs(",
  "ipairs(",
];

/** Returns the text of `help`, with lines of at most `columns` characters. */
export function luaHelp(columns: number): string {
  const rows = [...CELL_API, ...GUEST_API].map(({ word, form = word, text }) => ({ form, text }));
  const width = Math.max(...rows.map(({ form }) => form.length)) + 2;
  const lines = rows.flatMap(({ form, text }) =>
    wrapped(text, Math.max(LEAST_TEXT_COLUMNS, columns - width)).map(
      (line, index) => `${(index === 0 ? form : "").padEnd(width)}${line}`,
    ),
  );
  return ["Lua 5.4 in this cell. Tab completes these names; docs/lua.md describes them.", ...lines].join(
    "\n",
  );
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** Returns the completions of the word at the end of a line, and that word, as `node:readline` expects them. */
export function luaCompletions(line: string): [string[], string] {
  const word = /[\w.]*$/.exec(line)?.[0] ?? "";
  if (word === "") return [[], word];
  const words = [
    ...CELL_API.map((entry) => entry.word),
    ...GUEST_API.map((entry) => entry.word),
    ...STANDARD_WORDS,
  ];
  return [[...words, "help"].filter((candidate) => candidate.startsWith(word)), word];
}
