import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Cell } from "./cell.ts";
import type { CellOptions } from "./cell-options.ts";
import { type Circuit, circuitOf, withGenes } from "./circuit.ts";
import { circuitJacobian, circuitRates } from "./circuit-rates.ts";
import { type GeneSpec, geneProblems, MAX_GENES } from "./genes.ts";
import { createSolver, FIRST_STEP_MINUTES } from "./solver.ts";
import { createState, R, STATE_SIZE, type StateVector } from "./state.ts";
import { steadyState } from "./steady-state.ts";
import { allocationOf, modelOf, perturbed, published, publishedState } from "./testing.ts";
import {
  engagedRibosomes,
  growthRate,
  proteinAminoAcids,
  ribosomalMassFraction,
  type WeisseModel,
} from "./weisse.ts";

const EXPRESSED: GeneSpec = { name: "gfp", transcriptionPerMinute: 100 };

/** Two genes that repress each other, and a third that reports the first. */
const THREE: readonly GeneSpec[] = [
  {
    name: "lacI",
    transcriptionPerMinute: 40,
    proteinHalfLifeMinutes: 30,
    regulatedBy: [{ gene: "tetR", kind: "represses", threshold: 900, hill: 3 }],
  },
  {
    name: "tetR",
    transcriptionPerMinute: 25,
    lengthAminoAcids: 207,
    mrnaHalfLifeMinutes: 2,
    bindPerMinute: 0.4,
    unbindPerMinute: 3,
    regulatedBy: [
      { gene: "lacI", kind: "represses", threshold: 700, hill: 2 },
      { gene: "tetR", kind: "activates", threshold: 50, hill: 1 },
      { gene: "cI", kind: "activates", threshold: 20, hill: 4 },
    ],
  },
  { name: "cI", transcriptionPerMinute: 5, proteinAtStart: 100 },
];

/** Returns the circuit in the published cell. */
function circuitIn(genes: readonly GeneSpec[]): Circuit {
  const circuit = circuitOf(published.parameters, genes);
  if (circuit === undefined) throw new Error("invariant: the list of genes is not empty");
  return circuit;
}

/** Integrates the published cell without limits and with these genes for `minutes`, from its steady state. */
function grown(genes: readonly GeneSpec[], nutrientQuality: number, minutes: number) {
  const circuit = circuitIn(genes);
  const parameters = { ...published.parameters, energyPool: 1e30 };
  const model = { ...modelOf(published, {}, { nutrientQuality }, parameters), circuit };
  const y = withGenes(publishedState(), circuit);
  createSolver(model).integrate(y, minutes, FIRST_STEP_MINUTES);
  return { p: parameters, circuit, y };
}

describe("a gene that nothing regulates", () => {
  test.each([
    { ns: 0.5, w: 10, n: 300, lambda: 0.021045894, phi: 0.2218624, protein: 15407.8 },
    { ns: 0.5, w: 100, n: 300, lambda: 0.011155401, phi: 0.1387318, protein: 81669.2 },
    { ns: 0.08, w: 50, n: 300, lambda: 0.002953731, phi: 0.090717, protein: 67576.2 },
    { ns: 0.5, w: 250, n: 600, lambda: 0.005335726, phi: 0.0695126, protein: undefined },
  ])("has the effect of an independent solver: n_s $ns, w_p $w, n_p $n", (point) => {
    const gene = { name: "p", transcriptionPerMinute: point.w, lengthAminoAcids: point.n };
    const { p, circuit, y } = grown([gene], point.ns, 40 / point.lambda);
    expect(Math.abs(growthRate(p, y) / point.lambda - 1)).toBeLessThan(5e-7);
    expect(Math.abs(ribosomalMassFraction(p, y, circuit.genes) / point.phi - 1)).toBeLessThan(1e-6);
    if (point.protein !== undefined)
      expect(Math.abs((y[22] as number) / point.protein - 1)).toBeLessThan(1e-6);
    // The proteins of the cell and of the gene are the whole mass.
    expect(proteinAminoAcids(p, y, circuit.genes) / p.mass).toBeCloseTo(1, 8);
    expect(proteinAminoAcids(p, y) / p.mass).toBeLessThan(0.96);
  });

  test("costs the more growth the more it is transcribed", () => {
    const rates = [0, 3, 10, 30, 100, 300, 1000].map((transcriptionPerMinute) => {
      const genes = [{ name: "p", transcriptionPerMinute }];
      const state = steadyState({ biologicalType: "ecoli", parameterSet: "weisse-2015", genes });
      expect(state.settled).toBe(true);
      expect(state.proteinAminoAcids / published.parameters.mass).toBeCloseTo(1, 6);
      return state.growthRatePerMinute;
    });
    expect(rates).toEqual(rates.toSorted((a, b) => b - a));
    expect(new Set(rates).size).toBe(rates.length);
    const { growthRatePerMinute } = steadyState({ biologicalType: "ecoli", parameterSet: "weisse-2015" });
    expect((rates[0] as number) / growthRatePerMinute).toBeCloseTo(1, 8);
  });

  test("is where its steady state predicts after a long time", () => {
    const options: CellOptions = {
      biologicalType: "ecoli",
      allocation: allocationOf("ecoli"),
      seed: 1,
      genes: [EXPRESSED],
    };
    const cell = Cell.boot(options);
    expect(cell.sample().outputs).toEqual({ "gfp.mrna": 0, "gfp.complex": 0, "gfp.protein": 0 });
    cell.advance(4000);
    const predicted = steadyState(options);
    expect(predicted.settled).toBe(true);
    expect(cell.sample().growthRatePerMinute / predicted.growthRatePerMinute).toBeCloseTo(1, 7);
    const protein = cell.sample().outputs?.["gfp.protein"] as number;
    expect(protein / (predicted.outputs?.["gfp.protein"] as number)).toBeCloseTo(1, 6);
  });
});

describe("the equations with genes", () => {
  const circuit = circuitIn(THREE);
  const size = circuit.stateSize;
  /** Relative step of the central difference, as in the test of the cell's own Jacobian. */
  const STEP = 1e-5;

  /** A state of every magnitude: the published one, and amounts of genes near the thresholds. */
  function stateOf(by: readonly number[]): StateVector {
    const y = createState(size);
    y.set(perturbed(publishedState(0.3, 50), by));
    const around = [30, 20, 200, 800, 15, 150, 600, 5, 40, 30];
    for (let i = STATE_SIZE; i < size; i++)
      y[i] = (around[i - STATE_SIZE] as number) * 10 ** ((by[i] as number) / 3);
    return y;
  }

  function differences(model: WeisseModel, y: StateVector): Float64Array {
    const result = new Float64Array(size * size);
    const [up, down] = [createState(size), createState(size)];
    for (let j = 0; j < size; j++) {
      const h = STEP * (y[j] as number);
      const moved = createState(size);
      moved.set(y);
      moved[j] = (y[j] as number) + h;
      circuitRates(model, circuit, moved, up);
      moved[j] = (y[j] as number) - h;
      circuitRates(model, circuit, moved, down);
      for (let i = 0; i < size; i++)
        result[i * size + j] = ((up[i] as number) - (down[i] as number)) / (2 * h);
    }
    return result;
  }

  const exponents = fc.array(fc.double({ min: -1.5, max: 1.5, noNaN: true }), {
    minLength: size,
    maxLength: size,
  });
  const shares = fc.double({ min: 0.05, max: 1, noNaN: true });

  test.each([
    { name: "without limits", caps: [1e9], perPlace: 1 },
    { name: "with a soft cap in force or not", caps: [0.9, 1.0005, 1.002, 1.1], perPlace: 1 },
    { name: "with a hard cap in force or not", caps: [0.9, 1.00005, 1.1], perPlace: 100 },
  ])("have the Jacobian of central differences, $name", ({ caps, perPlace }) => {
    fc.assert(
      fc.property(
        exponents,
        fc.constantFrom(...caps),
        shares,
        fc.constantFrom(0, 4),
        (by, cap, share, cm) => {
          const y = stateOf(by);
          const limits = {
            ribosomeCap: cap * engagedRibosomes(y),
            bindablePerPlace: perPlace,
            atpShare: share,
            transcriptionShare: share,
          };
          const places = perPlace * (limits.ribosomeCap - engagedRibosomes(y));
          fc.pre(Math.abs(places - y[R]) > 3 * STEP * (perPlace * engagedRibosomes(y) + y[R]));
          const model = modelOf(published, limits, { chloramphenicolMicromolar: cm });
          const exact = new Float64Array(size * size);
          circuitJacobian(model, circuit, y, exact, new Float64Array(STATE_SIZE * STATE_SIZE));
          const numeric = differences(model, y);
          const wrong: string[] = [];
          for (let i = 0; i < size; i++) {
            let scale = 0;
            for (let j = 0; j < size; j++)
              scale += Math.abs((exact[i * size + j] as number) * (y[j] as number));
            for (let j = 0; j < size; j++) {
              const [a, b] = [exact[i * size + j] as number, numeric[i * size + j] as number];
              const allowed = 1e-6 * Math.abs(a) + (1e-9 * scale) / (y[j] as number) + Number.MIN_VALUE;
              if (!(Math.abs(a - b) < allowed))
                wrong.push(`row ${i}, column ${j}: ${a}, by differences ${b}`);
            }
          }
          expect(wrong).toEqual([]);
        },
      ),
      { numRuns: 40 },
    );
  });

  test("change mass by what is elongated, less dilution and decay", () => {
    const model = modelOf(published, {}, { chloramphenicolMicromolar: 4 });
    const p = published.parameters;
    const y = stateOf(Array.from({ length: size }, (_, i) => ((i * 7) % 5) / 5 - 0.4));
    const rates = createState(size);
    circuitRates(model, circuit, y, rates);
    const decayed = circuit.genes.reduce(
      (sum, { protein, proteinDecay, length }) => sum + proteinDecay * length * (y[protein] as number),
      0,
    );
    const change = proteinAminoAcids(p, rates, circuit.genes);
    const expected = growthRate(p, y) * (p.mass - proteinAminoAcids(p, y, circuit.genes)) - decayed;
    expect(Math.abs(change / expected - 1)).toBeLessThan(1e-9);
  });
});

describe("a list of genes", () => {
  const pathsOf = (genes: unknown) => geneProblems(genes).map(({ path }) => path);

  test("that is valid has no problems", () => {
    expect(geneProblems(THREE)).toEqual([]);
    expect(geneProblems([])).toEqual([]);
  });

  test("is refused with every problem at its path, in one error", () => {
    const genes = [
      { name: "a", transcriptionPerMinute: 1 },
      { name: "zg", transcriptionPerMinute: -1, lengthAminoAcids: Number.NaN, colour: "green" },
      { name: "x.y" },
      { name: "lacI", transcriptionPerMinute: 1e7, mrnaHalfLifeMinutes: 0, proteinHalfLifeMinutes: Infinity },
      {
        name: "lacI",
        transcriptionPerMinute: 1,
        bindPerMinute: "1",
        unbindPerMinute: null,
        proteinAtStart: -1,
        regulatedBy: [
          { gene: "tetR", kind: "blocks", threshold: 0, hill: 2.5 },
          { gene: "lacI", kind: "activates", threshold: 1, hill: 9, note: "" },
          7,
        ],
      },
      { name: "ok", transcriptionPerMinute: 1, regulatedBy: {} },
      [],
    ];
    const paths = [
      "genes.0.name",
      "genes.1.name",
      "genes.1.colour",
      "genes.1.transcriptionPerMinute",
      "genes.1.lengthAminoAcids",
      "genes.2.name",
      "genes.2.transcriptionPerMinute",
      "genes.3.transcriptionPerMinute",
      "genes.3.mrnaHalfLifeMinutes",
      "genes.3.proteinHalfLifeMinutes",
      "genes.4.name",
      "genes.4.bindPerMinute",
      "genes.4.unbindPerMinute",
      "genes.4.proteinAtStart",
      "genes.4.regulatedBy.0.gene",
      "genes.4.regulatedBy.0.kind",
      "genes.4.regulatedBy.0.threshold",
      "genes.4.regulatedBy.0.hill",
      "genes.4.regulatedBy.1.note",
      "genes.4.regulatedBy.1.hill",
      "genes.4.regulatedBy.2",
      "genes.5.regulatedBy",
      "genes.6",
    ];
    expect(pathsOf(genes)).toEqual(paths);
    const boot = () =>
      Cell.boot({ biologicalType: "ecoli", allocation: {}, seed: 1, genes: genes as unknown as GeneSpec[] });
    expect(boot).toThrow(RangeError);
    for (const path of paths) expect(boot).toThrow(`${path}: `);
  });

  test("has a bounded length", () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ name: `g${i}`, transcriptionPerMinute: 1 }));
    expect(pathsOf(many(MAX_GENES))).toEqual([]);
    expect(pathsOf(many(MAX_GENES + 1))).toEqual(["genes"]);
    const regulatedBy = Array(9).fill({ gene: "p", kind: "activates", threshold: 1, hill: 1 });
    expect(pathsOf([{ name: "p", transcriptionPerMinute: 1, regulatedBy }])).toEqual(["genes.0.regulatedBy"]);
    expect(pathsOf("lacI")).toEqual(["genes"]);
  });
});
