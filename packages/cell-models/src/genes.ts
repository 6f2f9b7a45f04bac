/**
 * The genes of a circuit, as a user describes them, and their check.
 *
 * This file knows no cell: defaults that depend on the kind of cell are set in `circuit.ts`.
 */
import { STATE_NAMES, Z_G_NAME } from "./state.ts";

export type RegulationKind = "activates" | "represses";

/** The effect of the protein of one gene on the transcription of another gene, or of the same gene. */
export interface Regulation {
  /** Name of the gene whose protein acts. */
  readonly gene: string;
  readonly kind: RegulationKind;
  /** Amount of the protein at half of the effect, molecules. */
  readonly threshold: number;
  /** Hill exponent, an integer. */
  readonly hill: number;
}

/** One gene. An absent number has the value of the cell's own genes; a protein without half-life does not decay. */
export interface GeneSpec {
  readonly name: string;
  /** Maximum transcription rate, mRNA per minute. */
  readonly transcriptionPerMinute: number;
  readonly lengthAminoAcids?: number | undefined;
  readonly mrnaHalfLifeMinutes?: number | undefined;
  readonly proteinHalfLifeMinutes?: number | undefined;
  /** Rate constant of the binding of a ribosome to an mRNA, cell/(min·molecule). */
  readonly bindPerMinute?: number | undefined;
  /** Rate constant of the unbinding of a ribosome from an mRNA, per minute. */
  readonly unbindPerMinute?: number | undefined;
  /** Amount of the protein at boot, molecules; default 0. */
  readonly proteinAtStart?: number | undefined;
  /** The regulators of the gene; the effects of several regulators multiply. */
  readonly regulatedBy?: readonly Regulation[] | undefined;
}

/** Maximum number of genes of one cell. The cost of a minute grows with the third power of the number of variables. */
export const MAX_GENES = 16;
/** Maximum number of regulators of one gene. */
export const MAX_REGULATORS = 8;
export const MAX_HILL = 8;
/**
 * Names of genes, such as `lacI`. They are prefixes of column names, so they contain no dot.
 */
export const GENE_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,31}$/;

/** The least and the largest value of each number of a gene. Its unit is in its name, or in {@link GeneSpec}. */
export const GENE_BOUNDS = {
  transcriptionPerMinute: [0, 1e6],
  lengthAminoAcids: [1, 1e5],
  mrnaHalfLifeMinutes: [0.01, 1e6],
  proteinHalfLifeMinutes: [0.01, 1e6],
  bindPerMinute: [1e-9, 1e3],
  unbindPerMinute: [1e-9, 1e6],
  proteinAtStart: [0, 1e9],
} as const satisfies Partial<Record<keyof GeneSpec, readonly [number, number]>>;
export const THRESHOLD_BOUNDS = [1e-3, 1e9] as const;

const GENE_FIELDS: readonly string[] = ["name", ...Object.keys(GENE_BOUNDS), "regulatedBy"];
const REGULATION_FIELDS: readonly string[] = ["gene", "kind", "threshold", "hill"];
const OWN_NAMES: readonly string[] = [...STATE_NAMES, Z_G_NAME];

/** A fault of a list of genes: where it is, such as `genes.0.name`, and what is wrong there. */
export interface GeneProblem {
  readonly path: string;
  readonly message: string;
}

/** Returns every problem of a list of genes; empty if a cell can have these genes. */
export function geneProblems(genes: unknown): GeneProblem[] {
  if (!Array.isArray(genes)) return [{ path: "genes", message: "is not a list" }];
  const problems: GeneProblem[] = [];
  if (genes.length > MAX_GENES) {
    problems.push({ path: "genes", message: `has ${genes.length} genes; at most ${MAX_GENES} are possible` });
  }
  const names = genes.map((gene: unknown) => (isRecord(gene) ? gene["name"] : undefined));
  for (const [i, gene] of genes.slice(0, MAX_GENES).entries()) {
    const path = `genes.${i}`;
    if (!isRecord(gene)) problems.push({ path, message: "is not an object" });
    else problems.push(...nameProblems(path, names, i), ...oneGeneProblems(path, gene, names));
  }
  return problems;
}

/**
 * Returns the names of the variables that a cell has because of these genes, in the order of the state vector; none
 * without genes.
 */
export function geneVariables(genes: readonly GeneSpec[]): readonly string[] {
  if (genes.length === 0) return [];
  return [Z_G_NAME, ...genes.flatMap(({ name }) => [`${name}.mrna`, `${name}.complex`, `${name}.protein`])];
}

function nameProblems(path: string, names: readonly unknown[], i: number): GeneProblem[] {
  const name = names[i];
  const problem = (message: string) => [{ path: `${path}.name`, message }];
  if (typeof name !== "string" || !GENE_NAME.test(name)) {
    return problem("is not a letter and then letters, digits, '_' and '-', 32 characters at most");
  }
  if (OWN_NAMES.includes(name)) return problem(`${name} is a variable of the model`);
  if (names.indexOf(name) < i) return problem(`${name} is the name of an earlier gene`);
  return [];
}

function oneGeneProblems(
  path: string,
  gene: Readonly<Record<string, unknown>>,
  names: readonly unknown[],
): GeneProblem[] {
  const problems = unknownFields(path, gene, GENE_FIELDS);
  for (const [field, bounds] of Object.entries(GENE_BOUNDS)) {
    const value = gene[field];
    if (value === undefined && field !== "transcriptionPerMinute") continue;
    problems.push(...numberProblems(`${path}.${field}`, value, bounds));
  }
  const regulators = gene["regulatedBy"];
  if (regulators === undefined) return problems;
  const at = `${path}.regulatedBy`;
  if (!Array.isArray(regulators)) return [...problems, { path: at, message: "is not a list" }];
  if (regulators.length > MAX_REGULATORS) {
    const message = `has ${regulators.length} regulators; at most ${MAX_REGULATORS} are possible`;
    return [...problems, { path: at, message }];
  }
  const ofEach = regulators.flatMap((one: unknown, i) => regulationProblems(`${at}.${i}`, one, names));
  return [...problems, ...ofEach];
}

function regulationProblems(path: string, one: unknown, names: readonly unknown[]): GeneProblem[] {
  if (!isRecord(one)) return [{ path, message: "is not an object" }];
  const { gene, kind, threshold, hill } = one;
  const problems = unknownFields(path, one, REGULATION_FIELDS);
  if (typeof gene !== "string" || !names.includes(gene)) {
    problems.push({
      path: `${path}.gene`,
      message: `${shown(gene)} is not the name of a gene of this circuit`,
    });
  }
  if (kind !== "activates" && kind !== "represses") {
    problems.push({ path: `${path}.kind`, message: `${shown(kind)} is not "activates" or "represses"` });
  }
  problems.push(...numberProblems(`${path}.threshold`, threshold, THRESHOLD_BOUNDS));
  // Powers with an integer exponent are products, and so have the same bits on every machine.
  if (!(Number.isInteger(hill) && (hill as number) >= 1 && (hill as number) <= MAX_HILL)) {
    problems.push({
      path: `${path}.hill`,
      message: `${shown(hill)} is not an integer from 1 to ${MAX_HILL}`,
    });
  }
  return problems;
}

function numberProblems(
  path: string,
  value: unknown,
  [least, largest]: readonly [number, number],
): GeneProblem[] {
  if (typeof value === "number" && value >= least && value <= largest) return [];
  return [{ path, message: `${shown(value)} is not a number from ${least} to ${largest}` }];
}

function unknownFields(
  path: string,
  value: Readonly<Record<string, unknown>>,
  known: readonly string[],
): GeneProblem[] {
  const unknown = Object.keys(value).filter((name) => !known.includes(name));
  return unknown.map((name) => ({ path: `${path}.${name}`, message: `is unknown: use ${known.join(", ")}` }));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  if (value === undefined) return "an absent value";
  return typeof value === "number" ? String(value) : (JSON.stringify(value) ?? typeof value).slice(0, 60);
}
