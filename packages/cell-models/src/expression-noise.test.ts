/**
 * Expression noise against an exact simulation of one gene, and what it must not do.
 */
import { expect, test } from "vitest";
import { Cell } from "./cell.ts";
import { cellTypeOf } from "./cell-types.ts";
import { geneMoments, momentsOf } from "./exact-gene.testing.ts";
import { ExpressionNoise } from "./expression-noise.ts";
import { seedRandom } from "./random.ts";
import { A, C_R, GENERATIONS, R, S_I } from "./state.ts";
import { publishedState } from "./testing.ts";
import { elongationRate, engagedRibosomes, totalRibosomes, type WeisseModel } from "./weisse.ts";

const ECOLI = cellTypeOf("ecoli");
const GENE = {
  name: "g",
  transcriptionPerMinute: 4,
  mrnaHalfLifeMinutes: 3,
  proteinHalfLifeMinutes: 10,
  lengthAminoAcids: 300,
  bindPerMinute: 2e-5,
  unbindPerMinute: 1,
};
const OPTIONS = { biologicalType: "ecoli", allocation: ECOLI.fullDemand, genes: [GENE] } as const;

/** Rates of the gene in a cell without noise that has settled, per minute. */
function ratesOfGene() {
  const cell = Cell.boot({ ...OPTIONS, seed: 1 });
  cell.advance(600);
  const state = cell.stateValues();
  const p = ECOLI.parameters;
  const energy = state[A] as number;
  return {
    transcription: GENE.transcriptionPerMinute * (energy / (p.transcriptionEnergyOther + energy)),
    mrnaDecay: Math.LN2 / GENE.mrnaHalfLifeMinutes,
    binding: GENE.bindPerMinute * (state[R] as number),
    unbinding: GENE.unbindPerMinute,
    translation: elongationRate(p, energy) / GENE.lengthAminoAcids,
    proteinDecay: Math.LN2 / GENE.proteinHalfLifeMinutes,
    dilution: cell.sample().growthRatePerMinute,
  };
}

test("a gene has the means and variances of the exact simulation of its reactions", () => {
  const exact = geneMoments(ratesOfGene(), { samples: 20_000, everyMinutes: 20, seed: 7 });
  const mrna: number[] = [];
  const protein: number[] = [];
  for (let seed = 0; seed < 24; seed++) {
    const cell = Cell.boot({ ...OPTIONS, seed, noise: "expression", age: "random" });
    for (let minute = 100; minute <= 700; minute += 20) {
      cell.advance(minute === 100 ? 100 : 20);
      const { outputs = {} } = cell.sample();
      mrna.push((outputs["g.mrna"] as number) + (outputs["g.complex"] as number));
      protein.push(outputs["g.protein"] as number);
    }
  }
  // The tests of the DSMTS: the mean within 3 standard errors, the variance within 5.
  for (const [sample, expected] of [
    [momentsOf(mrna), exact.mrna],
    [momentsOf(protein), exact.protein],
  ] as const) {
    const z = (Math.sqrt(mrna.length) * (sample.mean - expected.mean)) / Math.sqrt(expected.variance);
    const y = Math.sqrt(mrna.length / 2) * (sample.variance / expected.variance - 1);
    expect(Math.abs(z)).toBeLessThan(3);
    expect(Math.abs(y)).toBeLessThan(5);
  }
  // Without noise the variance is 0, with that of a Poisson number alone it would be the mean.
  expect(exact.protein.variance).toBeGreaterThan(1.15 * exact.protein.mean);
});

function aModel(ribosomeCap: number): WeisseModel {
  return {
    parameters: cellTypeOf("ecoli", "weisse-2015").parameters,
    surroundings: { nutrientQuality: 0.5, substrate: 1e4, chloramphenicolMicromolar: 0 },
    limits: { ribosomeCap, bindablePerPlace: 1, atpShare: 1, transcriptionShare: 1 },
  };
}

test("noise changes neither nutrient, energy nor age, and makes ribosomes only by translation", () => {
  const model = aModel(1e9);
  const noise = new ExpressionNoise(model);
  const random = seedRandom(5);
  const before = publishedState();
  // The mean over many draws: noise takes nothing away and adds nothing.
  let ribosomes = 0;
  const draws = 4_000;
  for (let n = 0; n < draws; n++) {
    const y = publishedState();
    noise.add(y, 1, random);
    for (const i of [S_I, A, GENERATIONS]) expect(y[i]).toBe(before[i]);
    ribosomes += totalRibosomes(y) - totalRibosomes(before);
  }
  const { ribosomeLength } = model.parameters;
  const made = (elongationRate(model.parameters, before[A]) * before[C_R]) / ribosomeLength;
  expect(Math.abs(ribosomes / draws)).toBeLessThan(5 * Math.sqrt(made / draws));
});

test("nothing gets negative, and no more ribosomes engage than the cap lets", () => {
  const cap = engagedRibosomes(publishedState());
  const noise = new ExpressionNoise(aModel(cap));
  const random = seedRandom(8);
  for (let n = 0; n < 500; n++) {
    const y = publishedState(0, 0.2);
    for (let i = 1; i < y.length; i++) if (n % 2 === 0) y[i] = Math.min(y[i] as number, (n % 7) / 4);
    noise.add(y, 1, random);
    expect(Math.min(...y)).toBeGreaterThanOrEqual(0);
    expect(engagedRibosomes(y)).toBeLessThanOrEqual(cap * (1 + 1e-12));
  }
});

test("the seed decides everything: split minutes and a snapshot in text give the same cell", () => {
  const boot = (seed: number) =>
    Cell.boot({
      biologicalType: "syn3a",
      allocation: cellTypeOf("syn3a").fullDemand,
      seed,
      noise: "expression",
    });
  const [one, other] = [boot(3), boot(3)];
  one.advance(90);
  for (let i = 0; i < 30; i++) other.advance(3);
  expect(other.stateValues()).toEqual(one.stateValues());
  const again = Cell.restore(JSON.parse(JSON.stringify(one.snapshot())));
  again.advance(60);
  one.advance(60);
  expect(again.snapshot()).toEqual(one.snapshot());
  const different = boot(4);
  different.advance(150);
  expect(different.stateValues()).not.toEqual(one.stateValues());
});

test("a snapshot with expression noise is of its own format, and one that says otherwise is refused", () => {
  const cell = Cell.boot({ ...OPTIONS, seed: 1, noise: "expression" });
  const snapshot = cell.snapshot();
  expect(snapshot).toMatchObject({ format: 3, noise: "expression", partitionNoise: true });
  expect(() => Cell.restore({ ...snapshot, format: 2 })).toThrow("noise: is not absent, as format 2 has it");
  expect(() => Cell.restore({ ...snapshot, partitionNoise: false })).toThrow("partitionNoise: is not true");
});

test("options that contradict each other or name no noise are refused", () => {
  const boot = (options: object) => () => Cell.boot({ ...OPTIONS, seed: 1, ...options });
  expect(boot({ noise: "partition", partitionNoise: true })).toThrow("use one of the two");
  expect(boot({ noise: "loud" })).toThrow("noise: must be none, partition, expression");
  expect(boot({ age: "old" })).toThrow("age: must be newborn, random");
});
