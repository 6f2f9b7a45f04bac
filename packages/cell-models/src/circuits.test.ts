/** Circuits in living cells: what they do over time, and that a cell with genes is as reproducible as one without. */
import { describe, expect, test } from "vitest";
import { Cell } from "./cell.ts";
import type { CellOptions } from "./cell-options.ts";
import { circuitOf, withGenes } from "./circuit.ts";
import type { GeneSpec } from "./genes.ts";
import { partition } from "./partition.ts";
import { seedRandom } from "./random.ts";
import { type CellSnapshot, SNAPSHOT_FORMAT, SNAPSHOT_FORMAT_GENES, snapshotProblems } from "./snapshot.ts";
import { STATE_SIZE, Z_G } from "./state.ts";
import { steadyState } from "./steady-state.ts";
import { allocationOf, published, publishedState } from "./testing.ts";
import { engagedRibosomes, totalRibosomes } from "./weisse.ts";

/** Two genes that repress each other (Gardner, Cantor & Collins 2000). */
function toggle(lacI: number, tetR: number): readonly GeneSpec[] {
  const gene = (name: string, repressor: string, proteinAtStart: number): GeneSpec => ({
    name,
    transcriptionPerMinute: 10,
    proteinAtStart,
    regulatedBy: [{ gene: repressor, kind: "represses", threshold: 500, hill: 2 }],
  });
  return [gene("lacI", "tetR", lacI), gene("tetR", "lacI", tetR)];
}

/** Three genes in a ring of repression (Elowitz & Leibler 2000). */
const REPRESSILATOR: readonly GeneSpec[] = [
  { name: "lacI", repressor: "cI", lengthAminoAcids: 360, proteinAtStart: 1000 },
  { name: "tetR", repressor: "lacI", lengthAminoAcids: 207, proteinAtStart: 0 },
  { name: "cI", repressor: "tetR", lengthAminoAcids: 237, proteinAtStart: 0 },
].map(({ repressor, ...gene }) => ({
  ...gene,
  transcriptionPerMinute: 10,
  mrnaHalfLifeMinutes: 2,
  proteinHalfLifeMinutes: 10,
  regulatedBy: [{ gene: repressor, kind: "represses", threshold: 500, hill: 3 }],
}));

const ECOLI: CellOptions = { biologicalType: "ecoli", allocation: allocationOf("ecoli"), seed: 3 };
const NOISY: CellOptions = { ...ECOLI, partitionNoise: true, genes: REPRESSILATOR };

function amount(cell: Cell, output: string): number {
  return cell.sample().outputs?.[output] as number;
}

describe("a toggle switch", () => {
  test("keeps the state in which it starts, and has no third one that is stable", () => {
    const settledFrom = (lacI: number, tetR: number) => {
      const cell = Cell.boot({ ...ECOLI, genes: toggle(lacI, tetR) });
      cell.advance(3000);
      return { lacI: amount(cell, "lacI.protein"), tetR: amount(cell, "tetR.protein") };
    };
    const [first, second, uneven] = [settledFrom(2000, 0), settledFrom(0, 2000), settledFrom(101, 100)];
    expect(first.lacI).toBeGreaterThan(90_000);
    expect(first.tetR).toBeLessThan(3);
    expect(second.tetR / first.lacI).toBeCloseTo(1, 6);
    expect(second.lacI / first.tetR).toBeCloseTo(1, 6);
    // The even state is a saddle: a difference grows.
    expect(uneven.lacI / uneven.tetR).toBeGreaterThan(1.05);
  });

  test("has two predictions, one for each start", () => {
    const [first, second] = [toggle(2000, 0), toggle(0, 2000)].map((genes) =>
      steadyState({ biologicalType: "ecoli", genes }),
    );
    expect(first?.settled && second?.settled).toBe(true);
    expect(first?.outputs?.["lacI.protein"]).toBeGreaterThan(90_000);
    expect(second?.outputs?.["tetR.protein"]).toBeGreaterThan(90_000);
    expect(first?.relativeGrowthRate).toBeCloseTo(0.9693, 3);
  });
});

test("a repressilator oscillates with a period of 425 minutes for 3000 minutes", () => {
  const cell = Cell.boot({ ...ECOLI, genes: REPRESSILATOR });
  const [course, other]: [number[], number[]] = [[], []];
  for (let minute = 0; minute < 3000; minute++) {
    cell.advance(1);
    course.push(amount(cell, "lacI.protein"));
    other.push(amount(cell, "tetR.protein"));
  }
  const rises = course.flatMap((now, i) =>
    i > 500 && (course[i - 1] as number) < 4000 && now >= 4000 ? [i] : [],
  );
  const periods = rises.slice(1).map((rise, i) => rise - (rises[i] as number));
  expect(periods.length).toBeGreaterThanOrEqual(4);
  for (const period of periods) expect(Math.abs(period - 425)).toBeLessThanOrEqual(3);
  const [before, last] = [course.slice(1725, 2150), course.slice(2150, 2575)];
  expect(Math.max(...last) / Math.max(...before)).toBeCloseTo(1, 2);
  expect(Math.max(...last) / Math.min(...last)).toBeGreaterThan(50);
  // The genes take turns.
  expect(other[course.indexOf(Math.max(...last))]).toBeLessThan(0.2 * Math.max(...last));
  expect(steadyState({ biologicalType: "ecoli", genes: REPRESSILATOR }).settled).toBe(false);
});

describe("a cell with genes", () => {
  test("is the same cell, however its minutes are split", () => {
    const [whole, parts] = [Cell.boot(NOISY), Cell.boot(NOISY)];
    whole.advance(200);
    for (let i = 0; i < 40; i++) parts.advance(5);
    expect(parts.snapshot()).toEqual(whole.snapshot());
    expect(whole.sample().divisions).toBe(4);
  });

  test("goes on exactly like the original from a snapshot in text", () => {
    const cell = Cell.boot(NOISY);
    cell.setEnvironment({ chloramphenicolMicromolar: 2 });
    cell.advance(77);
    const text = JSON.stringify(cell.snapshot());
    const copy = Cell.restore(JSON.parse(text) as CellSnapshot);
    expect(JSON.stringify(copy.snapshot())).toBe(text);
    for (const each of [cell, copy]) each.advance(150);
    expect(JSON.stringify(copy.snapshot())).toBe(JSON.stringify(cell.snapshot()));
    expect(copy.sample()).toEqual(cell.sample());
  });

  test("names its state variables, and has their values", () => {
    const cell = Cell.boot(NOISY);
    const names = cell.stateVariables.map(({ name }) => name);
    expect(names.slice(STATE_SIZE)).toEqual(
      ["zg"].concat(
        REPRESSILATOR.flatMap(({ name }) => [`${name}.mrna`, `${name}.complex`, `${name}.protein`]),
      ),
    );
    cell.advance(20);
    const values = cell.stateValues();
    expect(values).toHaveLength(names.length);
    for (const [name, value] of Object.entries(cell.sample().outputs ?? {})) {
      expect(values[names.indexOf(name)], name).toBe(value);
    }
  });

  test("has nothing that its options can change later", () => {
    const genes = toggle(2000, 0).map((gene) => ({ ...gene }));
    const cell = Cell.boot({ ...ECOLI, genes });
    const before = cell.snapshot();
    for (const gene of genes) gene.transcriptionPerMinute = 0;
    expect(cell.snapshot()).toEqual(before);
    expect(before.genes).toEqual(toggle(2000, 0));
  });

  test("keeps its ribosomes within the cap, those on mRNA of genes among them", () => {
    const genes: GeneSpec[] = [{ name: "gfp", transcriptionPerMinute: 300 }];
    const allocation = allocationOf("ecoli", { ribosomes: 9000 });
    const cell = Cell.boot({ ...NOISY, allocation, genes });
    for (let i = 0; i < 300; i++) {
      cell.advance(1);
      expect(cell.sample().ribosomes.engaged).toBeLessThanOrEqual(9000 * (1 + 1e-12));
    }
    expect(amount(cell, "gfp.complex")).toBeGreaterThan(100);
  });
});

test("an empty list of genes is a cell without genes, bit for bit", () => {
  const cells = [undefined, []].map((genes) => Cell.boot({ ...ECOLI, partitionNoise: true, genes }));
  for (const cell of cells) cell.advance(120);
  expect(cells[1]?.snapshot()).toEqual(cells[0]?.snapshot());
  expect(cells[0]?.snapshot()).toMatchObject({ format: SNAPSHOT_FORMAT });
  expect(cells[0]?.snapshot()).not.toHaveProperty("genes");
  expect(cells[0]?.sample()).not.toHaveProperty("outputs");
});

describe("partition at division", () => {
  const circuit = circuitOf(
    published.parameters,
    REPRESSILATOR.slice(0, 1).map(({ regulatedBy: _, ...gene }) => gene),
  );
  function mother() {
    if (circuit === undefined) throw new Error("invariant: there is a gene");
    const y = withGenes(publishedState(0.1, 20), circuit);
    y.set([30, 12, 400, 900], Z_G);
    return y;
  }

  test("deals out what genes made like everything else: the mean stays, the variance is half the number", () => {
    const random = seedRandom(1);
    const sums = [0, 0, 0, 0];
    const squares = [0, 0, 0, 0];
    const count = 2000;
    for (let n = 0; n < count; n++) {
      const daughter = mother();
      partition(daughter, random, 1e9);
      for (let k = 0; k < 4; k++) {
        const moved = (daughter[Z_G + k] as number) - (mother()[Z_G + k] as number);
        sums[k] = (sums[k] as number) + moved;
        squares[k] = (squares[k] as number) + moved * moved;
      }
    }
    for (let k = 0; k < 4; k++) {
      const held = mother()[Z_G + k] as number;
      expect(Math.abs((sums[k] as number) / count)).toBeLessThan(5 * Math.sqrt(held / 2 / count));
      expect(Math.abs((squares[k] as number) / count / (held / 2) - 1)).toBeLessThan(0.17);
    }
  });

  test("draws for the cell itself first, so genes do not change its draws", () => {
    const [plain, daughter] = [publishedState(0.1, 20), mother()];
    partition(plain, seedRandom(2), 1e9);
    partition(daughter, seedRandom(2), 1e9);
    expect([...daughter.slice(0, STATE_SIZE)]).toEqual([...plain]);
  });

  test("frees the complexes of genes as well when a daughter exceeds the cap", () => {
    const [random, again] = [seedRandom(4), seedRandom(4)];
    const cap = engagedRibosomes(mother());
    let released = 0;
    for (let n = 0; n < 50; n++) {
      const [capped, free] = [mother(), mother()];
      partition(capped, random, cap);
      partition(free, again, 1e9);
      expect(engagedRibosomes(capped)).toBeLessThanOrEqual(cap * (1 + 1e-12));
      expect(totalRibosomes(capped)).toBeCloseTo(totalRibosomes(free), 6);
      if (engagedRibosomes(free) > cap) released += 1;
    }
    expect(released).toBeGreaterThan(10);
  });
});

describe("a snapshot with genes", () => {
  const good = Cell.boot({ ...ECOLI, genes: toggle(10, 0) }).snapshot();

  test("is of its own format", () => {
    expect(good.format).toBe(SNAPSHOT_FORMAT_GENES);
    expect(snapshotProblems(good)).toEqual([]);
  });

  test.each([
    [{ ...good, format: 1 }, ["genes"]],
    [{ ...good, genes: undefined }, ["genes"]],
    [{ ...good, genes: [] }, ["genes"]],
    [{ ...good, genes: good.genes?.slice(0, 1) }, ["genes.0.regulatedBy.0.gene"]],
    [{ ...good, state: good.state.slice(0, -1), divisions: -1 }, ["divisions", "state"]],
    [{ ...good, state: good.state.map((v, i) => (i === 22 ? -1 : v)) }, ["state.lacI.protein"]],
  ])("is refused with every problem: %#", (snapshot, expected) => {
    const found = snapshotProblems(snapshot as CellSnapshot).map((problem) => problem.split(":")[0]);
    expect(found).toEqual(expected);
    expect(() => Cell.restore(snapshot as CellSnapshot)).toThrow(RangeError);
  });
});
