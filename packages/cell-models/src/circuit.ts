/**
 * The genes of one cell in the form that the equations use: every number set, half-lives as rates, regulators by index.
 *
 * The variables of the genes follow those of the cell in the state vector: first the ribosomes that chloramphenicol
 * holds on mRNA of genes, then free mRNA, translating complexes and protein of each gene.
 */
import { type GeneSpec, geneProblems, geneVariables } from "./genes.ts";
import {
  createState,
  FIRST_GENE,
  GENE_COMPLEX,
  GENE_MRNA,
  GENE_PROTEIN,
  GENE_VARIABLES,
  type StateVector,
  Z_G,
} from "./state.ts";

/** The numbers of the cell's own genes, which a gene has unless it says otherwise; units as in {@link Gene}. */
export interface GeneDefaults {
  readonly proteinLength: number;
  readonly mrnaDecay: number;
  readonly binding: number;
  readonly unbinding: number;
}

export interface Regulator {
  /** Index of the regulating protein in the state vector. */
  readonly protein: number;
  readonly represses: boolean;
  readonly threshold: number;
  readonly hill: number;
}

export interface Gene {
  /** Indices of free mRNA, complexes and protein in the state vector. */
  readonly mrna: number;
  readonly complex: number;
  readonly protein: number;
  /** Maximum transcription rate, mRNA per minute [w_p]. */
  readonly transcription: number;
  /** Length of the protein, amino acids [n_p]. */
  readonly length: number;
  /** Rates of decay, per minute [d_p, δ_p]. */
  readonly mrnaDecay: number;
  readonly proteinDecay: number;
  /** Binding, cell/(min·molecule), and unbinding, per minute [kb_p, ku_p]. */
  readonly binding: number;
  readonly unbinding: number;
  /** Amount of the protein at boot, molecules. */
  readonly proteinAtStart: number;
  readonly regulators: readonly Regulator[];
}

export interface Circuit {
  /** Copy of the description from which the circuit was made. */
  readonly specs: readonly GeneSpec[];
  readonly genes: readonly Gene[];
  /** Length of the state vector of a cell with these genes. */
  readonly stateSize: number;
  /** Names of the variables that follow those of the cell, in the order of the state vector. */
  readonly variables: readonly string[];
}

/**
 * Returns the circuit of the genes in a cell with these parameters; undefined if there are no genes. Throws a
 * `RangeError` that lists every problem of the genes.
 */
export function circuitOf(p: GeneDefaults, specs: readonly GeneSpec[] | undefined): Circuit | undefined {
  if (specs === undefined) return undefined;
  const problems = geneProblems(specs);
  if (problems.length > 0) {
    throw new RangeError(problems.map(({ path, message }) => `${path}: ${message}`).join("; "));
  }
  if (specs.length === 0) return undefined;
  const copy = specs.map(copyOf);
  const names = copy.map(({ name }) => name);
  return {
    specs: copy,
    genes: copy.map((spec, i) => geneOf(p, spec, i, names)),
    stateSize: FIRST_GENE + GENE_VARIABLES * copy.length,
    variables: geneVariables(copy),
  };
}

/**
 * Returns the state of a cell that gets the genes of the circuit now: it has their proteins of the start, and none of
 * their mRNA and complexes.
 */
export function withGenes(y: StateVector, circuit: Circuit): StateVector {
  const state = createState(circuit.stateSize);
  state.set(y);
  for (const { protein, proteinAtStart } of circuit.genes) state[protein] = proteinAtStart;
  return state;
}

/** Returns the amounts of the genes by name. */
export function outputsOf({ variables, stateSize }: Circuit, y: StateVector): Record<string, number> {
  const outputs: Record<string, number> = {};
  for (let i = FIRST_GENE; i < stateSize; i++) outputs[variables[i - Z_G] as string] = y[i] as number;
  return outputs;
}

function geneOf(p: GeneDefaults, spec: GeneSpec, i: number, names: readonly string[]): Gene {
  const first = firstOf(i);
  const { mrnaHalfLifeMinutes, proteinHalfLifeMinutes } = spec;
  return {
    mrna: first + GENE_MRNA,
    complex: first + GENE_COMPLEX,
    protein: first + GENE_PROTEIN,
    transcription: spec.transcriptionPerMinute,
    length: spec.lengthAminoAcids ?? p.proteinLength,
    mrnaDecay: mrnaHalfLifeMinutes === undefined ? p.mrnaDecay : Math.LN2 / mrnaHalfLifeMinutes,
    proteinDecay: proteinHalfLifeMinutes === undefined ? 0 : Math.LN2 / proteinHalfLifeMinutes,
    binding: spec.bindPerMinute ?? p.binding,
    unbinding: spec.unbindPerMinute ?? p.unbinding,
    proteinAtStart: spec.proteinAtStart ?? 0,
    regulators: (spec.regulatedBy ?? []).map(({ gene, kind, threshold, hill }) => ({
      protein: firstOf(names.indexOf(gene)) + GENE_PROTEIN,
      represses: kind === "represses",
      threshold,
      hill,
    })),
  };
}

function firstOf(gene: number): number {
  return FIRST_GENE + GENE_VARIABLES * gene;
}

/** Returns a copy without the absent fields, so that a snapshot equals what is read back from its text. */
function copyOf(spec: GeneSpec): GeneSpec {
  return JSON.parse(JSON.stringify(spec)) as GeneSpec;
}
