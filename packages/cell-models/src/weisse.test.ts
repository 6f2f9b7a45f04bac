import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { scaledBySize } from "./cell-types.ts";
import {
  A,
  C_M,
  C_Q,
  C_R,
  C_T,
  createState,
  E_M,
  E_T,
  GENERATIONS,
  Q,
  R,
  STATE_NAMES,
  STATE_SIZE,
  Z_R,
} from "./state.ts";
import { modelOf, perturbed, published, publishedState, UNLIMITED } from "./testing.ts";
import {
  bindableRibosomes,
  elongationRate,
  growthRate,
  importThrottle,
  isAdmissible,
  proteinAminoAcids,
  totalRibosomes,
  translationRate,
  weisseRates,
} from "./weisse.ts";

/** Exponents of 10, one per variable. */
const exponents = (decades: number) =>
  fc.array(fc.double({ min: -decades, max: decades, noNaN: true }), {
    minLength: STATE_SIZE,
    maxLength: STATE_SIZE,
  });

const withEverything = modelOf(
  published,
  { ribosomeCap: 3200, atpShare: 0.7, transcriptionShare: 0.6 },
  { chloramphenicolMicromolar: 4 },
);

function ratesAt(model: typeof withEverything, y: ReturnType<typeof publishedState>) {
  const out = createState();
  weisseRates(model, y, out);
  return out;
}

describe("the rates", () => {
  test("vanish at the published steady state, variable by variable", () => {
    const y = publishedState();
    const rates = ratesAt(modelOf(published), y);
    const lambda = growthRate(published.parameters, y);
    expect(lambda).toBeCloseTo(0.02411453378, 7);
    // Net change against turnover: import and elongation move si and a at 1e4 to 1e5 per minute.
    for (let i = E_T; i < STATE_SIZE; i++) {
      const turnover = (y[i] as number) * (i === A || STATE_NAMES[i] === "si" ? 1e5 : 10);
      expect(Math.abs(rates[i] as number) / turnover, STATE_NAMES[i]).toBeLessThan(1e-5);
    }
    expect(rates[GENERATIONS]).toBe(lambda);
  });

  test("are those of one hand calculation", () => {
    const y = createState();
    y.set([0, 1, 0, 0, 0, 2, 3, 1000, 152219.040373749, 5, 0, 0, 0, 7, 11, 0, 0, 13, 4.5e5]);
    const p = published.parameters;
    const rates = ratesAt(modelOf(published, { atpShare: 0.5 }, { chloramphenicolMicromolar: 10 }), y);
    const gamma = (1260 * 4.5e5) / (p.elongationEnergy + 4.5e5);
    const lambda = (gamma * 24) / 1e8;
    const capture = 10 * 0.005990373118888;
    // Import: half by ATP share, half by the throttle at the pool size, 10/11 saturated. Catabolism: half saturated.
    expect(rates[7]).toBeCloseTo(2 * 726 * (10 / 11) * 0.25 - 3 * 5800 * 0.5 - lambda * 1000, 6);
    expect(rates[A]).toBeCloseTo(0.5 * 3 * 5800 * 0.5 - gamma * 24 - lambda * 4.5e5, 6);
    expect(rates[C_R]).toBeCloseTo(7 * 5 - 11 - (11 * gamma) / 7549 - lambda * 11 - capture * 11, 9);
    expect(rates[Z_R]).toBeCloseTo(capture * 11 - lambda, 9);
    expect(rates[R]).toBeCloseTo(2 * ((11 * gamma) / 7549) + (13 * gamma) / 300 - lambda * 7 - 35 + 24, 9);
    // House-keeping transcription is halved at K_q.
    const written = (948.9349882947897 * 4.5e5) / (4.379733394834643 + 4.5e5) / 2;
    expect(rates[12]).toBeCloseTo(written + (13 * gamma) / 300 + 13, 9);
  });

  test("change protein mass by what is elongated less dilution, whatever the state", () => {
    fc.assert(
      fc.property(exponents(2), (by) => {
        const p = published.parameters;
        const y = perturbed(publishedState(0, 50), by);
        const rates = ratesAt(withEverything, y);
        const ribosomes = [R, C_R, C_T, C_M, C_Q, 1, 2, 3, 4].reduce(
          (sum, i) => sum + (rates[i] as number),
          0,
        );
        const others = rates[E_T] + rates[E_M] + rates[Q];
        const change = p.ribosomeLength * ribosomes + p.proteinLength * others;
        const expected = translationRate(p, y) - growthRate(p, y) * proteinAminoAcids(p, y);
        const turnover = translationRate(p, y) + p.ribosomeLength * (y[R] * 1e5 + totalRibosomes(y));
        expect(Math.abs(change - expected)).toBeLessThan(1e-9 * turnover);
      }),
      { numRuns: 200 },
    );
  });

  test("of a cell s times as large are s times those of the cell, λ the same", () => {
    fc.assert(
      fc.property(exponents(1), fc.double({ min: 0.01, max: 100, noNaN: true }), (by, scale) => {
        const y = perturbed(publishedState(0, 50), by);
        const large = createState();
        for (let i = 0; i < STATE_SIZE; i++) large[i] = (y[i] as number) * (i === GENERATIONS ? 1 : scale);
        const scaled = modelOf(
          published,
          { ...withEverything.limits, ribosomeCap: 3200 * scale },
          withEverything.surroundings,
          scaledBySize(published.parameters, scale),
        );
        const rates = ratesAt(withEverything, y);
        const largeRates = ratesAt(scaled, large);
        expect(largeRates[GENERATIONS]).toBeCloseTo(rates[GENERATIONS], 13);
        for (let i = 1; i < STATE_SIZE; i++) {
          // Rounding is relative to the fluxes, up to 1e7 per minute here, which nearly cancel.
          expect(Math.abs((largeRates[i] as number) / scale - (rates[i] as number))).toBeLessThan(1e-5);
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe("limits", () => {
  test("the cap leaves free ribosomes alone, then holds them back, then closes", () => {
    const y = publishedState();
    const engaged = 3164.380388;
    expect(bindableRibosomes(y, { ...UNLIMITED, ribosomeCap: engaged + 30 })).toBe(y[R]);
    expect(bindableRibosomes(y, { ...UNLIMITED, ribosomeCap: engaged + 10 })).toBeCloseTo(10, 9);
    const hard = { ...UNLIMITED, ribosomeCap: engaged + 0.1, bindablePerPlace: 100 };
    expect(bindableRibosomes(y, hard)).toBeCloseTo(10, 6);
    expect(bindableRibosomes(y, { ...UNLIMITED, ribosomeCap: 100 })).toBe(0);
  });

  test("import is untouched at usual energy and halved at the adenylate pool", () => {
    expect(importThrottle(published.parameters, 10.7)).toBe(1);
    expect(importThrottle(published.parameters, 4.5e5)).toBe(0.5);
    expect(importThrottle(published.parameters, 4.5e7)).toBeLessThan(1e-7);
  });

  test("elongation is half its maximum at K_γ", () => {
    expect(elongationRate(published.parameters, published.parameters.elongationEnergy)).toBe(630);
  });
});

describe("a step may not end", () => {
  const model = modelOf(published, { ribosomeCap: 3200 });
  const from = publishedState();

  test.each(STATE_NAMES.map((name, i) => ({ name, i })))("with $name below zero or NaN", ({ i }) => {
    const to = publishedState();
    expect(isAdmissible(model, from, to)).toBe(true);
    to[i] = -1e-12;
    expect(isAdmissible(model, from, to)).toBe(false);
    to[i] = Number.NaN;
    expect(isAdmissible(model, from, to)).toBe(false);
  });

  test("with more ribosomes engaged than the cap, or than before when the cap was lowered", () => {
    const above = publishedState();
    above[C_Q] += 40;
    expect(isAdmissible(model, from, above)).toBe(false);
    expect(isAdmissible(model, above, from)).toBe(true);
    const lowered = modelOf(published, { ribosomeCap: 100 });
    expect(isAdmissible(lowered, above, from)).toBe(true);
    expect(isAdmissible(lowered, from, above)).toBe(false);
  });
});
