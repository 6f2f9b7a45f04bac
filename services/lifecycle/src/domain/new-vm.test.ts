/**
 * What a create makes of its request, and every problem that it names.
 */
import { FULL_DEMAND, knownModels, type ParsedRequestOf, type RecordedModel } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import { burstAmounts, burstProblems, guaranteeProblems, newVmOf } from "./new-vm.ts";

const FULL = FULL_DEMAND.syn3a;
const DEFAULT_SEED = 42;
/** A model of another package. */
const TOY: RecordedModel = {
  name: "toy",
  version: 1,
  description: "A toy.",
  parameters: [{ name: "speed", unit: "1/min", range: [0, 1], default: 0.5, description: "Its speed." }],
  environment: [{ name: "light", unit: "lux", range: [0, 100], default: 10, description: "Light." }],
  outputs: [{ name: "mass", unit: "g", range: [0, 10], default: 1, description: "Its mass." }],
  parameterSets: [{ name: "half", description: "Half as large.", fullDemand: { atpPerSecond: 400 } }],
  biologicalTypes: [{ name: "ecoli", fullDemand: { atpPerSecond: 1_000 } }],
  limitedBy: ["atpPerSecond"],
};

const request = (more: Partial<ParsedRequestOf<"vmCreate">> = {}): ParsedRequestOf<"vmCreate"> => ({
  biologicalType: "syn3a",
  vmType: "basic",
  resources: {},
  priority: 1,
  environment: {},
  placement: {},
  restartPolicy: { mode: "never", maxAttempts: 3, backoffMs: 1_000 },
  labels: {},
  config: {},
  ...more,
});

describe("a new VM", () => {
  it("requests the full demand of its type, with a seed that follows from the command", () => {
    expect(newVmOf(request(), DEFAULT_SEED)).toMatchObject({
      vm: { request: FULL, seed: DEFAULT_SEED, program: null, parent: null },
    });
    expect(newVmOf(request({ seed: 7 }), DEFAULT_SEED)).toMatchObject({ vm: { seed: 7 } });
  });

  it("records the last minute of a cell, which a machine does not have", () => {
    const until = { simMinutes: 600, then: "stop" } as const;
    expect(newVmOf(request({ until }), DEFAULT_SEED)).toMatchObject({ vm: { until } });
    const machine = request({ until, vmType: "xcpng" });
    expect(newVmOf(machine, DEFAULT_SEED)).toMatchObject({
      rejection: { code: "UNSUPPORTED", details: { problems: [{ path: "until" }] } },
    });
  });

  it("requests the largest amounts of its schedule, and records the whole schedule", () => {
    const schedule = [{ atMinute: 60, resources: { ribosomes: 400 } }];
    const created = newVmOf(request({ resources: { ribosomes: 300 }, schedule }), DEFAULT_SEED);
    expect(created).toMatchObject({
      vm: {
        request: { ...FULL, ribosomes: 400 },
        schedule: [
          { atMinute: 0, allocation: { ...FULL, ribosomes: 300 } },
          { atMinute: 60, allocation: { ...FULL, ribosomes: 400 } },
        ],
      },
    });
    const wrong = [{ atMinute: 60, resources: { vcpus: 1 } }];
    expect(newVmOf(request({ schedule: wrong }), DEFAULT_SEED)).toMatchObject({
      rejection: { details: { problems: [{ path: "schedule.0.resources.vcpus" }] } },
    });
  });

  it("has no field for a guarantee or a burst that its request does not name", () => {
    const created = newVmOf(request({ guarantee: { ribosomes: "50%" } }), DEFAULT_SEED);
    expect(created).toMatchObject({ vm: { guarantee: { ...FULL, ribosomes: 252 } } });
    expect(created).not.toHaveProperty("vm.burst");
  });

  it("is rejected with every problem of the request, each with its path", () => {
    const wrong = request({
      resources: { vcpus: 2 },
      burst: { dnaKilobases: 900 },
      guarantee: { ribosomes: 504 },
      config: { parameterSet: "weisse-2015", partitionnoise: true, colour: "red" },
    });
    expect(newVmOf(wrong, DEFAULT_SEED)).toMatchObject({
      ok: false,
      rejection: {
        code: "BAD_REQUEST",
        details: {
          problems: [
            {
              path: "resources.vcpus",
              message:
                "is not a resource of a basic VM: use atpPerSecond, dnaKilobases, ribosomes, rnaPolymerases",
            },
            { path: "burst.dnaKilobases" },
            { path: "guarantee.ribosomes", message: "is 504, above the request of 503" },
            { path: "config.parameterSet" },
            {
              path: "config.partitionnoise",
              message: "is not a setting of a cell: did you mean config.partitionNoise?",
            },
            {
              path: "config.colour",
              message:
                "is not a setting of a cell: use model, parameters, parameterSet, noise, partitionNoise, age, lineage, genes",
            },
          ],
        },
      },
    });
  });

  it("with genes of a circuit keeps them, and can record their amounts", () => {
    const genes = [{ name: "lacI", transcriptionPerMinute: 1 }];
    const withFields = (...fields: string[]) =>
      newVmOf(request({ config: { genes }, record: { everyMinutes: 1, fields } }), DEFAULT_SEED);
    expect(withFields("lacI.protein", "r")).toMatchObject({ vm: { config: { genes } } });
    expect(withFields("lacI.proteins")).toMatchObject({
      rejection: {
        details: {
          problems: [
            {
              path: "record.fields.0",
              message: "lacI.proteins is not a field of a cell: did you mean lacI.protein?",
            },
          ],
        },
      },
    });
  });

  it("of another model requests what that model declares, and only the fields that it has", () => {
    const toy = (more: Partial<ParsedRequestOf<"vmCreate">> = {}, config: object = {}) =>
      newVmOf(
        request({ biologicalType: "ecoli", config: { model: "toy", ...config }, ...more }),
        DEFAULT_SEED,
        knownModels([{ models: [TOY] }]),
      );
    const fields = ["mass", "environment.light"];
    const schedule = [{ atMinute: 5, environment: { light: 3 }, resources: { atpPerSecond: "10%" } }];
    expect(toy({ environment: { light: 1 }, record: { everyMinutes: 1, fields }, schedule })).toMatchObject({
      vm: {
        request: { atpPerSecond: 1_000 },
        environment: { light: 1 },
        schedule: [{ atMinute: 0 }, { atMinute: 5, allocation: { atpPerSecond: 100 } }],
      },
    });
    expect(toy({ resources: { atpPerSecond: "50%" } }, { parameterSet: "half" })).toMatchObject({
      vm: { request: { atpPerSecond: 200 } },
    });
    const wrong = { resources: { ribosomes: 1 }, environment: { substrate: 1 } };
    const refused = toy(
      { ...wrong, record: { everyMinutes: 1, fields: ["r"] } },
      { parameters: { speed: 2 } },
    );
    const problems = "rejection" in refused ? refused.rejection.details?.["problems"] : undefined;
    expect((problems as { path: string }[]).map(({ path }) => path)).toEqual([
      "resources.ribosomes",
      "config.parameters.speed",
      "environment.substrate",
      "record.fields.0",
    ]);
    const unknown = newVmOf(request({ config: { model: "toy" } }), DEFAULT_SEED);
    expect(unknown).toMatchObject({
      rejection: { code: "MODEL_NOT_FOUND", details: { models: ["weisse"] } },
    });
  });

  it("of E. coli takes the published parameters", () => {
    const published = request({ biologicalType: "ecoli", config: { parameterSet: "weisse-2015" } });
    expect(newVmOf(published, DEFAULT_SEED)).toHaveProperty("vm");
  });
});

describe("the resources of a machine with a cell", () => {
  const ofMachine = (resources: ParsedRequestOf<"vmCreate">["resources"]) =>
    newVmOf(request({ vmType: "xcpng", resources }), DEFAULT_SEED);

  it("are those of the machine, which a ledger counts, and those that the request names of the cell", () => {
    expect(ofMachine({})).toMatchObject({ vm: { request: { memoryMiB: 2_048, vcpus: 2 } } });
    expect(ofMachine({})).not.toHaveProperty("vm.cell");
    expect(ofMachine({ vcpus: 4, ribosomes: "50%", atpPerSecond: 1_000 })).toMatchObject({
      vm: { request: { memoryMiB: 2_048, vcpus: 4 }, cell: { atpPerSecond: 1_000, ribosomes: 252 } },
    });
  });

  it("have the genome of the type", () => {
    expect(ofMachine({ dnaKilobases: 543 })).toMatchObject({ vm: { cell: { dnaKilobases: 543 } } });
    expect(ofMachine({ dnaKilobases: 544 })).toMatchObject({ rejection: { code: "BAD_REQUEST" } });
  });
});

describe("what a machine cannot have", () => {
  const cellParts = {
    schedule: [{ atMinute: 1, environment: { substrate: 1 } }],
    record: { everyMinutes: 1 },
  };

  it("is UNSUPPORTED, with every part", () => {
    expect(newVmOf(request({ vmType: "xcpng", ...cellParts }), DEFAULT_SEED)).toMatchObject({
      rejection: {
        code: "UNSUPPORTED",
        retryable: false,
        details: { problems: [{ path: "schedule" }, { path: "record" }] },
      },
    });
  });

  it("is named among the other problems of a wrong request", () => {
    const wrong = request({ vmType: "xcpng", resources: { dnaKilobases: 544 }, ...cellParts });
    expect(newVmOf(wrong, DEFAULT_SEED)).toMatchObject({
      rejection: {
        code: "BAD_REQUEST",
        details: { problems: [{ path: "resources.dnaKilobases" }, { path: "schedule" }, { path: "record" }] },
      },
    });
  });
});

describe("a burst", () => {
  it("has only the named resources; shares are of the full demand", () => {
    expect(burstAmounts({ ribosomes: "50%", atpPerSecond: 20_000 }, FULL)).toEqual({
      ribosomes: 252,
      atpPerSecond: 20_000,
    });
    expect(burstAmounts({}, FULL)).toEqual({});
  });

  it("is at least the request, of rates only, and for cells only", () => {
    expect(burstProblems("basic", { ribosomes: 100 }, { ribosomes: 100 })).toEqual([]);
    expect(burstProblems("basic", { ribosomes: 100 }, { ribosomes: 99, dnaKilobases: 600 })).toMatchObject([
      { path: "burst.ribosomes", message: "is 99, below the request of 100" },
      { path: "burst.dnaKilobases" },
    ]);
    expect(burstProblems("xcpng", {}, {})).toMatchObject([{ path: "burst" }]);
  });
});

describe("a guarantee", () => {
  it("is at most the request, the whole genome, and for cells only", () => {
    const whole = { ribosomes: 100, dnaKilobases: 5 };
    expect(guaranteeProblems("basic", whole, { ribosomes: 0, dnaKilobases: 5 })).toEqual([]);
    expect(guaranteeProblems("basic", whole, { ribosomes: 101, dnaKilobases: 4 })).toMatchObject([
      { path: "guarantee.ribosomes", message: "is 101, above the request of 100" },
      { path: "guarantee.dnaKilobases" },
    ]);
    expect(guaranteeProblems("xcpng", {}, {})).toMatchObject([{ path: "guarantee" }]);
  });
});
