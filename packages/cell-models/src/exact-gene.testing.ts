/**
 * The exact stochastic simulation of one gene in a cell that does not change otherwise: transcription, decay, binding and
 * unbinding of ribosomes, translation and dilution, one reaction at a time (Gillespie, J. Phys. Chem. 81:2340 (1977)).
 */
import { nextWord, seedRandom } from "./random.ts";

/** Rates per minute; `transcription` per cell, the others per molecule. */
export interface GeneRates {
  readonly transcription: number;
  readonly mrnaDecay: number;
  readonly binding: number;
  readonly unbinding: number;
  readonly translation: number;
  readonly proteinDecay: number;
  readonly dilution: number;
}

export interface Moments {
  readonly mean: number;
  readonly variance: number;
}

/** Changes of free mRNA, complexes and protein by each reaction, in the order of {@link propensities}. */
const REACTIONS = [
  [1, 0, 0],
  [-1, 0, 0],
  [-1, 1, 0],
  [1, -1, 0],
  [1, -1, 1],
  [0, -1, 0],
  [0, 0, -1],
] as const;
/** Time until the first sample, minutes: many lifetimes of everything. */
const SETTLED_MINUTES = 500;

function propensities(k: GeneRates, [mrna, complex, protein]: readonly number[]): number[] {
  const [m, c, p] = [mrna ?? 0, complex ?? 0, protein ?? 0];
  return [
    k.transcription,
    (k.mrnaDecay + k.dilution) * m,
    k.binding * m,
    k.unbinding * c,
    k.translation * c,
    k.dilution * c,
    (k.proteinDecay + k.dilution) * p,
  ];
}

/** Returns the moments of all mRNA, free and translated, and of the protein, over samples at an interval. */
export function geneMoments(
  rates: GeneRates,
  { samples, everyMinutes, seed }: { samples: number; everyMinutes: number; seed: number },
): { readonly mrna: Moments; readonly protein: Moments } {
  const random = seedRandom(seed);
  // Half a step above zero: the logarithm of a waiting time needs a number above 0.
  const uniform = () => (nextWord(random) + 0.5) / 0x1_0000_0000;
  const state = [0, 0, 0];
  const [mrna, protein]: [number[], number[]] = [[], []];
  let [minute, next] = [0, SETTLED_MINUTES];
  while (mrna.length < samples) {
    const all = propensities(rates, state);
    const total = all.reduce((sum, one) => sum + one, 0);
    minute -= Math.log(uniform()) / total;
    for (; minute > next && mrna.length < samples; next += everyMinutes) {
      mrna.push((state[0] ?? 0) + (state[1] ?? 0));
      protein.push(state[2] ?? 0);
    }
    let left = uniform() * total;
    const reaction = all.findIndex((one) => {
      left -= one;
      return left < 0;
    });
    const change = REACTIONS[reaction] ?? REACTIONS[0];
    for (const [i, step] of change.entries()) state[i] = (state[i] ?? 0) + step;
  }
  return { mrna: momentsOf(mrna), protein: momentsOf(protein) };
}

export function momentsOf(values: readonly number[]): Moments {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  return { mean, variance };
}
