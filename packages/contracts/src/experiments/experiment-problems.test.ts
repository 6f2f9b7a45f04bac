/** Every problem of an experiment file is named with its path, before the first VM exists. */
import { describe, expect, it } from "vitest";
import { experimentOf } from "./experiment.ts";
import { GROWTH_LAW } from "./testing.ts";

function problems(fields: object): string[] {
  const parsed = experimentOf({ ...GROWTH_LAW, ...fields });
  return parsed.ok ? [] : parsed.problems.map(({ path, message }) => `${path} ${message}`);
}

const TOO_MANY = (count: number) => Array.from({ length: count }, (_, i) => i);

describe("an experiment file is refused", () => {
  it("with fields that are missing, unknown or out of range, all at once", () => {
    const parsed = experimentOf({
      experiment: "Growth",
      base: { biologicalType: "ecolo", resorces: {} },
      sweep: { "environment.": [1], "resources.ribosomes": [] },
      replicates: 0,
      record: { everyMinutes: 0.5, fields: ["a", "a"] },
      untill: 5,
    });
    expect(parsed.ok ? [] : parsed.problems.map(({ path }) => path).sort()).toEqual([
      "base.biologicalType",
      "base.resorces",
      "experiment",
      "record.everyMinutes",
      "record.fields",
      "replicates",
      "sweep.environment.",
      "sweep.resources.ribosomes",
      "untilMinute",
      "untill",
    ]);
  });

  it("with a swept field whose name is no path, and says what a path is", () => {
    const message =
      "has an invalid name: it must be names joined by dots, such as environment.nutrientQuality";
    for (const name of ["environment.", "", "__proto__.x", "a b"]) {
      expect(problems({ sweep: { [name]: [1] } })).toEqual([`sweep.${name} ${message}`]);
    }
  });

  it("with what would let other VMs change the results, in the base or in the sweep", () => {
    const lent =
      "is refused: lent capacity depends on other VMs, so that the results could not be reproduced";
    expect(problems({ base: { ...GROWTH_LAW.base, burst: { ribosomes: 9 } } })).toEqual([
      `base.burst ${lent}`,
    ]);
    expect(problems({ sweep: { "burst.ribosomes": [30_000] } })).toEqual([`sweep.burst.ribosomes ${lent}`]);
    expect(problems({ base: { ...GROWTH_LAW.base, guarantee: {} } })).toEqual([
      "base.guarantee is refused: a preempted cell would grow on fewer resources, and the results depend on other VMs",
    ]);
  });

  it("with fields that the experiment sets itself", () => {
    const base = { ...GROWTH_LAW.base, vmId: "a", seed: 1, labels: { "bioxen.io/experiment": "x" } };
    expect(problems({ base })).toEqual([
      "base.labels.bioxen.io/experiment is reserved for bioxen: leave it out",
      "base.vmId is made from the id of the experiment: leave it out",
      "base.seed is derived from the `seed` of the experiment: leave it out",
    ]);
    expect(problems({ sweep: { seed: [1, 2], "labels.a": ["b"], until: [1] } })).toEqual([
      "sweep.labels.a is not swept: labels do not change a cell",
      "sweep.seed is derived from the `seed` of the experiment: leave it out",
      "sweep.until is the `untilMinute` of the experiment: leave it out",
    ]);
  });

  it("with swept fields that have no place, that contain each other, or that repeat a value", () => {
    expect(
      problems({
        sweep: {
          environment: [{}],
          "environment.substrate": [1, 2, 1],
          "biologicalType.x": [1],
        },
      }),
    ).toEqual([
      "sweep.biologicalType.x has no place: base.biologicalType has no such field or element",
      "sweep.environment.substrate is part of environment: sweep one of the two",
      "sweep.environment.substrate.2 repeats value 0: use `replicates`",
    ]);
    const base = { ...GROWTH_LAW.base, placement: { antiAffinity: [{ labels: { a: "b" } }] } };
    for (const index of ["1", "length", "00", "at"]) {
      expect(problems({ base, sweep: { [`placement.antiAffinity.${index}`]: [{}] } })).toEqual([
        `sweep.placement.antiAffinity.${index} has no place: base.placement.antiAffinity has no such field or element`,
      ]);
    }
  });

  it("with swept values that a create refuses, each named by its index", () => {
    expect(
      problems({
        base: { config: { parameterSet: "weisse-2015", partitionNose: true } },
        sweep: {
          biologicalType: ["ecoli", "ecolo"],
          "environment.nutrientQuality": [0.5, -1, 11],
          "resources.vcpus": [1],
          "enviroment.substrate": [1],
        },
      }),
    ).toEqual([
      "sweep.enviroment.substrate is not a field of this command: did you mean environment?",
      "sweep.biologicalType.1 must be one of syn3a, ecoli, minimal_cell (did you mean ecoli?)",
      "sweep.environment.nutrientQuality.1 must be at least 0",
      "sweep.environment.nutrientQuality.2 must be at most 10",
    ]);
  });

  it("with values that are right alone and wrong together", () => {
    const set = 'must be "default", or "weisse-2015" for ecoli';
    expect(
      problems({
        base: { resources: { dnaKilobases: 4642 } },
        sweep: { biologicalType: ["ecoli", "syn3a"], "config.parameterSet": ["default", "weisse-2015"] },
      }),
    ).toEqual(["base.resources.dnaKilobases must be 543, the size of the genome of syn3a: leave it out"]);
    expect(
      problems({
        base: {},
        sweep: { biologicalType: ["ecoli", "syn3a"], "config.parameterSet": ["default", "weisse-2015"] },
      }),
    ).toEqual([`sweep.config.parameterSet.1 ${set}`]);
    expect(problems({ base: {}, sweep: {} })).toEqual([
      "base.biologicalType is required: one of syn3a, ecoli, minimal_cell",
    ]);
  });

  it("beyond the limits, and only beyond them", () => {
    const sweep = (count: number) => ({ "resources.ribosomes": TOO_MANY(count) });
    expect(problems({ sweep: sweep(100), replicates: 100 })).toEqual([]);
    expect(problems({ sweep: sweep(73), replicates: 137 })).toEqual([
      "sweep has 10001 VMs with all replicates, the limit is 10000: split it",
    ]);
    const rows = (untilMinute: number) =>
      problems({ sweep: {}, replicates: 1_000, untilMinute, record: { everyMinutes: 1 } });
    expect(rows(9_999)).toEqual([]);
    expect(rows(10_000)).toEqual([
      "record.everyMinutes gives 10001000 rows in all VMs, the limit is 10000000: record at longer intervals",
    ]);
    expect(problems({ untilMinute: 605 })).toEqual([
      "untilMinute must be a multiple of record.everyMinutes, so that the last minute is recorded: use 600 or 610",
    ]);
    expect(problems({ experiment: "x".repeat(61) })).toEqual([]);
    expect(problems({ experiment: "x".repeat(62) })).toEqual([
      `experiment makes ids such as ${"x".repeat(62)}-8, longer than the 63 characters of an id: shorten it`,
    ]);
    const swept = (count: number) => Object.fromEntries(TOO_MANY(count).map((i) => [`config.x${i}`, [1]]));
    expect(problems({ sweep: swept(33) })).toEqual(["sweep must have at most 32 fields"]);
  });
});
