/**
 * The VMs of an experiment: their number, order and seeds. The seeds and the digest were computed with Python's hashlib
 * from the documented derivation.
 */
import { describe, expect, it } from "vitest";
import { createRequest } from "../endpoints/placement.ts";
import { experimentOf } from "./experiment.ts";
import { GROWTH_LAW } from "./testing.ts";

function experiment(fields: object = {}) {
  const parsed = experimentOf({ ...GROWTH_LAW, ...fields });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.experiment;
}

function vms(fields: object = {}) {
  const one = experiment(fields);
  return Array.from({ length: one.vmCount }, (_, index) => one.vm(index));
}

describe("the VMs of an experiment", () => {
  it("are all replicates of every combination, the last swept field changing first", () => {
    expect(experiment()).toMatchObject({
      vmCount: 8,
      rowsPerVm: 61,
      swept: ["environment.nutrientQuality", "resources.ribosomes"],
      digest: "f3605507dac0977c901506740d7f2ca9ca437374241726216a23c5ab9b23d1c4",
    });
    expect(vms().map(({ vmId, values, replicate }) => [vmId, ...Object.values(values), replicate])).toEqual([
      ["growth-law-1", 0.08, "50%", 1],
      ["growth-law-2", 0.08, "50%", 2],
      ["growth-law-3", 0.08, "100%", 1],
      ["growth-law-4", 0.08, "100%", 2],
      ["growth-law-5", 0.5, "50%", 1],
      ["growth-law-6", 0.5, "50%", 2],
      ["growth-law-7", 0.5, "100%", 1],
      ["growth-law-8", 0.5, "100%", 2],
    ]);
  });

  it("have the documented seeds", () => {
    expect(vms().map(({ seed }) => seed)).toEqual([
      2919735370, 2154388192, 1042143942, 1832955524, 4090326844, 1224878313, 512535742, 2538265693,
    ]);
    const { sweep: _sweep, seed: _seed, ...plain } = { ...GROWTH_LAW, replicates: 1 };
    const parsed = experimentOf(plain);
    expect(parsed.ok && parsed.experiment.vm(0)).toMatchObject({
      seed: 1295572648,
      values: {},
      replicate: 1,
    });
    expect(vms({ sweep: {}, seed: 7, replicates: 3 })[2]?.seed).toBe(975452355);
  });

  it("are created from the base, the swept values, the seed and the experiment's label", () => {
    const base = { ...GROWTH_LAW.base, labels: { team: "red" }, resources: { rnaPolymerases: 4_000 } };
    expect(vms({ base })[4]?.create).toEqual({
      vmId: "growth-law-5",
      seed: 4090326844,
      biologicalType: "ecoli",
      config: { parameterSet: "weisse-2015" },
      environment: { nutrientQuality: 0.5 },
      resources: { rnaPolymerases: 4_000, ribosomes: "50%" },
      labels: { team: "red", "bioxen.io/experiment": "growth-law" },
    });
  });

  it("keep their seeds when values and replicates are added, and when the experiment has another id", () => {
    const seedsOf = (some: ReturnType<typeof vms>) =>
      new Map(some.map(({ values, replicate, seed }) => [JSON.stringify([values, replicate]), seed]));
    const more = seedsOf(
      vms({
        experiment: "wider",
        replicates: 5,
        sweep: {
          "resources.ribosomes": ["25%", "100%", "50%"],
          "environment.nutrientQuality": [0.5, 0.2, 0.08],
        },
      }),
    );
    for (const [name, seed] of seedsOf(vms())) expect(more.get(name), name).toBe(seed);
    expect(more.size).toBe(45);
  });

  it("have different seeds in all replicates of a combination", () => {
    const many = vms({ sweep: {}, replicates: 10_000 });
    expect(new Set(many.map(({ seed }) => seed)).size).toBe(10_000);
    expect([many[0]?.vmId, many.at(-1)?.vmId]).toEqual(["growth-law-00001", "growth-law-10000"]);
  });

  it("sweep whole objects, and elements of a list of the base", () => {
    const antiAffinity = [
      { labels: { team: "red" } },
      { labels: { team: "blue" }, preferred: true, weight: 1 },
    ];
    const swept = vms({
      base: { ...GROWTH_LAW.base, placement: { antiAffinity } },
      sweep: { "placement.antiAffinity.1.weight": [2, 3], environment: [{}, { substrate: 5 }] },
      replicates: 1,
    });
    expect(
      swept.map(({ create }) => [create.environment, create.placement?.antiAffinity?.[1]?.weight]),
    ).toEqual([
      [{}, 2],
      [{}, 3],
      [{ substrate: 5 }, 2],
      [{ substrate: 5 }, 3],
    ]);
    expect(antiAffinity[1]).toMatchObject({ weight: 1 });
  });

  it("do not depend on the order of the fields in the file, and neither does the digest", () => {
    const reversed = (value: unknown): unknown =>
      typeof value !== "object" || value === null || Array.isArray(value)
        ? value
        : Object.fromEntries(
            Object.entries(value)
              .reverse()
              .map(([name, inner]) => [name, reversed(inner)]),
          );
    const other = experimentOf(reversed(GROWTH_LAW));
    expect(other.ok && other.experiment.digest).toBe(experiment().digest);
    expect(other.ok && other.experiment.vm(3)).toEqual(vms()[3]);
    expect(experiment({ untilMinute: 610 }).digest).not.toBe(experiment().digest);
    expect(experiment({ sweep: { "resources.ribosomes": [1, 2] } }).digest).not.toBe(
      experiment({ sweep: { "resources.ribosomes": [2, 1] } }).digest,
    );
  });

  it("are requests that a create accepts", () => {
    for (const { create } of vms()) expect(createRequest.safeParse(create).success).toBe(true);
  });
});
