/**
 * Expression noise: the random part of transcription, of the decay of mRNA and protein, and of translation.
 *
 * The equations give the mean of each reaction. In one interval a reaction happens a Poisson number of times, whose mean
 * follows from its rate in the middle of the interval; what differs from this mean is added to the amounts there
 * (tau-leaping: Gillespie, J. Chem. Phys. 115:1716 (2001); the drift is the solver's instead of Euler's). Noise in the middle
 * instead of at an end makes the error of a variance quadratic in the interval (Strang, SIAM J. Numer. Anal. 5:506 (1968)).
 * The nutrient and the energy have thousands of reactions per second and no noise of their own.
 *
 * Ribosomes bind and leave mRNA within seconds. So mRNA that noise adds is divided between free mRNA and complexes as the
 * present mRNA is, and a finished protein changes the number of proteins only. The number of ribosomes is conserved, but for
 * those that are made.
 */
import type { Gene } from "./circuit.ts";
import { regulation } from "./circuit-rates.ts";
import { releaseAbove } from "./partition.ts";
import { poisson, type RandomState } from "./random.ts";
import { A, C_M, C_Q, C_R, C_T, E_M, E_T, M_M, M_Q, M_R, M_T, Q, R, type StateVector } from "./state.ts";
import {
  elongationRate,
  engagedRibosomes,
  housekeepingTranscription,
  ribosomeTranscription,
  transcriptionActivity,
  type WeisseModel,
} from "./weisse.ts";

/** The reactions of one gene or class of genes. */
interface Expressed {
  readonly mrna: number;
  readonly complex: number;
  readonly protein: number;
  /** Length of the protein, amino acids. */
  readonly length: number;
  /** Rates of decay, per minute. */
  readonly mrnaDecay: number;
  readonly proteinDecay: number;
  /** Returns the rate of transcription, mRNA per minute. */
  readonly written: (y: StateVector) => number;
}

/** Adds the noise of one kind of cell to its state. Made once for a cell: the model's limits may change afterwards. */
export class ExpressionNoise {
  readonly #model: WeisseModel;
  readonly #expressed: readonly Expressed[];

  constructor(model: WeisseModel) {
    this.#model = model;
    this.#expressed = [
      ...ownClasses(model),
      ...(model.circuit?.genes ?? []).map((gene) => ofGene(model, gene)),
    ];
  }

  /**
   * Adds to `y`, the state in the middle of an interval of `minutes`, the noise of the interval. No amount becomes negative,
   * and the engaged ribosomes stay within the cap or fall towards it.
   */
  add(y: StateVector, minutes: number, random: RandomState): void {
    const limit = Math.max(this.#model.limits.ribosomeCap, engagedRibosomes(y));
    const gamma = elongationRate(this.#model.parameters, y[A]);
    // All rates are those of the equations: a change of one class has no effect on the noise of another.
    const changes = this.#expressed.map((one) => changeOf(one, y, gamma, minutes, random));
    for (const [i, one] of this.#expressed.entries()) {
      const { mrna, protein } = changes[i] as Change;
      addMessengers(one, y, mrna);
      y[one.protein] = Math.max(0, (y[one.protein] as number) + protein);
    }
    releaseAbove(limit, y);
  }
}

interface Change {
  /** What noise adds to the number of free and translated mRNA. */
  readonly mrna: number;
  readonly protein: number;
}

/** `gamma`: elongation rate, amino acids per minute per ribosome. */
function changeOf(
  one: Expressed,
  y: StateVector,
  gamma: number,
  minutes: number,
  random: RandomState,
): Change {
  const noise = (rate: number) => poisson(random, minutes * rate) - minutes * rate;
  const written = noise(one.written(y));
  const decayed = noise(one.mrnaDecay * (y[one.mrna] as number));
  const made = noise((gamma * (y[one.complex] as number)) / one.length);
  const lost = one.proteinDecay === 0 ? 0 : noise(one.proteinDecay * (y[one.protein] as number));
  return { mrna: written - decayed, protein: made - lost };
}

/** Adds mRNA, or removes it, in the proportion in which ribosomes hold the present mRNA. */
function addMessengers({ mrna, complex }: Expressed, y: StateVector, change: number): void {
  const [free, held] = [y[mrna] as number, y[complex] as number];
  const all = free + held;
  const next = Math.max(0, all + change);
  // Without any, all is free: ribosomes bind it in the next interval.
  const share = all === 0 ? 0 : held / all;
  // A new complex needs a free ribosome.
  const bound = Math.min(next * share - held, y[R]);
  y[complex] = held + bound;
  y[mrna] = Math.max(0, next - held - bound);
  y[R] -= bound;
}

function ownClasses(model: WeisseModel): Expressed[] {
  const { proteinLength: length, ribosomeLength, mrnaDecay, transcriptionEnzyme } = model.parameters;
  const base = { length, mrnaDecay, proteinDecay: 0 };
  const enzyme = (y: StateVector) => transcriptionEnzyme * transcriptionActivity(model, y[A]);
  const housekeeping = (y: StateVector) =>
    housekeepingTranscription(model.parameters, transcriptionActivity(model, y[A]), y[Q]);
  return [
    {
      ...base,
      mrna: M_R,
      complex: C_R,
      protein: R,
      length: ribosomeLength,
      written: (y) => ribosomeTranscription(model, y[A]),
    },
    { ...base, mrna: M_T, complex: C_T, protein: E_T, written: enzyme },
    { ...base, mrna: M_M, complex: C_M, protein: E_M, written: enzyme },
    { ...base, mrna: M_Q, complex: C_Q, protein: Q, written: housekeeping },
  ];
}

function ofGene(model: WeisseModel, gene: Gene): Expressed {
  return {
    ...gene,
    written: (y) => gene.transcription * transcriptionActivity(model, y[A]) * regulation(gene, y),
  };
}
