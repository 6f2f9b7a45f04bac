import { describe, expect, it } from "vitest";
import {
  commandLineOf,
  type Draft,
  httpRequestOf,
  planOf,
  requestOf,
  shellWord,
} from "../app/model/draft.ts";
import { namesIn, numbersOf, type Results, resultsCsv, valueIn } from "../app/model/results.ts";

const PLAIN: Draft = {
  vmId: "c1",
  biologicalType: "syn3a",
  shares: {},
  priority: 1,
  label: "",
  seed: "",
  record: "",
  nutrient: "",
  program: "",
  chassisId: "",
  isStarted: false,
};

describe("a VM as it is being described", () => {
  it("asks for nothing but what was chosen", () => {
    expect(requestOf({ ...PLAIN, shares: { ribosomes: 100 } })).toEqual({
      vmId: "c1",
      biologicalType: "syn3a",
    });
    expect(commandLineOf(PLAIN)).toBe("bioxen vm create c1 \\\n  --type syn3a");
  });

  it("has the same meaning as a request and as a command line", () => {
    const draft: Draft = {
      ...PLAIN,
      shares: { ribosomes: 50 },
      priority: 4,
      label: "team=red one",
      seed: "7",
      record: "10",
      chassisId: "e1",
      program: "x = 1",
      isStarted: true,
    };
    expect(requestOf(draft)).toEqual({
      vmId: "c1",
      biologicalType: "syn3a",
      resources: { ribosomes: "50%" },
      priority: 4,
      labels: { team: "red one" },
      seed: 7,
      record: { everyMinutes: 10 },
      placement: { chassisId: "e1" },
      program: "x = 1",
    });
    expect(commandLineOf(draft).replaceAll(/ \\\n +/g, " ")).toBe(
      "bioxen vm create c1 --type syn3a --ribosomes 50% --priority 4 --seed 7 --label 'team=red one' --record-every 10 --chassis e1 --program - --start <<'LUA'\nx = 1\nLUA",
    );
  });

  it("is planned without an id that is still being typed", () => {
    expect(planOf({ ...PLAIN, vmId: "tom-" })).toEqual({ biologicalType: "syn3a" });
    expect(planOf(PLAIN)).toHaveProperty("vmId", "c1");
  });

  it("quotes what a shell would read", () => {
    expect(shellWord("a'; rm -rf /")).toBe("'a'\\''; rm -rf /'");
    expect(httpRequestOf(PLAIN, "http://h:1")).toContain("http://h:1/api/v1/vm/create");
  });

  it("leaves a wrong number to the service, which names the problem", () => {
    expect(requestOf({ ...PLAIN, seed: "seven" })).toMatchObject({ seed: "seven" });
  });
});

describe("the results of an experiment", () => {
  const results = {
    columnSets: [[{ name: "growth", unit: "1/min" }]],
    vms: [
      {
        vmId: "a-1",
        values: { share: "50%" },
        replicate: 1,
        seed: 3,
        columnSet: 0,
        final: [0.5],
        digest: "d",
      },
      {
        vmId: "a-2",
        values: { share: 'x,"y"' },
        replicate: 2,
        seed: 4,
        columnSet: null,
        final: [],
        digest: null,
      },
    ],
  } as unknown as Results;

  it("are read by name, and a share is a number", () => {
    const [first] = results.vms;
    expect(namesIn(results)).toEqual(["share", "growth"]);
    expect(first && numbersOf(valueIn(results, first, "share"))).toBe(50);
    expect(first && valueIn(results, first, "growth")).toBe(0.5);
    expect(numbersOf("fast")).toBeUndefined();
  });

  it("are CSV with quotes where a value needs them", () => {
    expect(resultsCsv(results)).toBe(
      'vm,share,replicate,seed,growth [1/min],digest\na-1,50%,1,3,0.5,d\na-2,"x,""y""",2,4,,\n',
    );
  });
});
