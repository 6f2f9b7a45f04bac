/**
 * A fleet file offers the fields of the create command. Every problem is reported with its line, before any command is
 * sent.
 */

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { knownModels, type RecordedModel } from "@bioxen/contracts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TOY } from "../../../contracts/src/models.testing.ts";
import { parseFleet } from "./fleet-file.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "bioxen-fleet-"));
  await writeFile(join(directory, "hello.lua"), 'print("hello")');
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function fleetOf(text: string) {
  const parsed = await parseFleet(text, directory);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.fleet;
}

async function problemsOf(text: string) {
  const parsed = await parseFleet(text, directory);
  if (parsed.ok) throw new Error("the fleet file is valid");
  return parsed.problems.map(({ line, path, message }) => `${line} ${path}: ${message}`);
}

describe("a fleet file", () => {
  it("creates `count` identical VMs, and the fields of a VM override the defaults", async () => {
    const { name, vms } = await fleetOf(`
fleet: lab
defaults: { biologicalType: syn3a, priority: 2, labels: { team: red }, resources: { ribosomes: "50%" } }
vms:
  - { vmId: cell, count: 3 }
  - { vmId: big, biologicalType: ecoli, labels: { tier: gold }, resources: {}, state: paused }
`);
    expect(name).toBe("lab");
    expect(vms.map(({ vmId, state }) => `${vmId} ${state}`)).toEqual([
      "cell-1 running",
      "cell-2 running",
      "cell-3 running",
      "big paused",
    ]);
    expect(vms[0]?.request).toMatchObject({ ribosomes: 252, rnaPolymerases: 187 });
    expect(vms[3]?.request).toMatchObject({ ribosomes: 26_300 });
    expect(vms[3]?.create).toMatchObject({
      priority: 2,
      labels: { team: "red", tier: "gold", "bioxen.io/fleet": "lab" },
    });
  });

  it("gives the same fleet from JSON as from YAML", async () => {
    const json = { fleet: "lab", vms: [{ vmId: "a", biologicalType: "syn3a" }] };
    const yaml = "fleet: lab\nvms:\n  - vmId: a\n    biologicalType: syn3a\n";
    expect(await fleetOf(JSON.stringify(json))).toEqual(await fleetOf(yaml));
  });

  it.each(["toggle-switch", "repressilator"])("the example %s.yaml is one", async (name) => {
    const folder = join(import.meta.dirname, "../../../../examples/circuits");
    const { vms } = await fleetOf(await readFile(join(folder, `${name}.yaml`), "utf8"));
    for (const { create } of vms)
      expect(create.config).toHaveProperty("genes.1.regulatedBy.0.kind", "represses");
  });

  it("reports every problem of the genes of a circuit", async () => {
    expect(
      await problemsOf(`fleet: lab
vms:
  - vmId: a
    biologicalType: ecoli
    config:
      genes:
        - { name: lacI, transcriptionPerMinute: -1 }
        - { name: q, transcriptionPerMinute: 1, regulatedBy: [{ gene: tetR, kind: represses, threshold: 5, hill: 2 }] }
`),
    ).toEqual([
      "7 vms.0.config.genes.0.transcriptionPerMinute: -1 is not a number from 0 to 1000000",
      "8 vms.0.config.genes.1.name: q is a variable of the model",
      '8 vms.0.config.genes.1.regulatedBy.0.gene: "tetR" is not the name of a gene of this circuit',
    ]);
  });

  it("reads a program from a file next to it, and labels the VM with the digest of the program", async () => {
    const head = "fleet: lab\nvms: [{ vmId: a, biologicalType: syn3a, ";
    const { vms } = await fleetOf(`${head}programFile: hello.lua }]`);
    expect(vms[0]?.create.program).toBe('print("hello")');
    const inline = await fleetOf(`${head}program: 'print("hello")' }]`);
    expect(inline.vms[0]?.create.labels).toEqual(vms[0]?.create.labels);
    const other = await fleetOf(`${head}program: 'print("bye")' }]`);
    expect(other.vms[0]?.create.labels).not.toEqual(vms[0]?.create.labels);
    expect(await problemsOf(`${head}programFile: none.lua }]`)).toEqual([
      "2 vms.0.programFile: cannot be read: ENOENT",
    ]);
  });

  it("reports settings that the model of the cell does not have, and parameters of another type", async () => {
    expect(
      await problemsOf(`fleet: lab
vms:
  - { vmId: a, biologicalType: syn3a, config: { parameterSet: weisse-2015 } }
  - { vmId: b, biologicalType: ecoli, config: { partitionNose: true } }
`),
    ).toEqual([
      '3 vms.0.config.parameterSet: must be "default", or "weisse-2015" for ecoli',
      "4 vms.1.config.partitionNose: is not a setting of a cell: did you mean config.partitionNoise?",
    ]);
  });

  it("takes cells of the models that agents announce, with their demand, and asks for these only if it must", async () => {
    const fleet = (config: string, environment: string) => `fleet: lab
defaults: { biologicalType: ecoli, config: ${config} }
vms:
  - { vmId: a, resources: { atpPerSecond: "50%" }, environment: ${environment} }
`;
    const announced = async () => knownModels([{ models: [TOY as RecordedModel] }]);
    const parse = (config: string, environment = "{ light: 20 }") =>
      parseFleet(fleet(config, environment), directory, announced);
    const parsed = await parse("{ model: toy, parameterSet: half, parameters: { speed: 0.3 } }");
    expect(parsed).toMatchObject({ ok: true, fleet: { vms: [{ request: { atpPerSecond: 200 } }] } });
    expect(await parse("{ model: toy, parameters: { speed: 2 } }", "{ dark: 1 }")).toMatchObject({
      ok: false,
      problems: [{ path: "vms.0.config.parameters.speed" }, { path: "vms.0.environment.dark" }],
    });
    expect(await parse("{ model: yeast }", "{}")).toMatchObject({
      ok: false,
      problems: [
        { path: "vms.0.config.model", message: "no agent announces the cell model yeast: use toy, weisse" },
      ],
    });
    const never = async () => {
      throw new Error("asked");
    };
    expect(await parseFleet(fleet("{ noise: none }", "{}"), directory, never)).toMatchObject({ ok: true });
  });

  it("reports every problem with its line", async () => {
    expect(
      await problemsOf(`fleet: Lab
vms:
  - vmId: a
    biologicalType: syn3b
    labels:
      bioxen.io/fleet: other
  - vmId: b
    moon: 1
`),
    ).toEqual([
      "1 fleet: must be 1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit",
      "4 vms.0.biologicalType: must be one of syn3a, ecoli, minimal_cell (did you mean syn3a?)",
      expect.stringMatching(/^6 vms.0.labels.bioxen/),
      "8 vms.1.moon: is not a field of this command",
    ]);
  });

  it("reports duplicate ids, foreign resources and missing fields after the defaults are merged", async () => {
    const head = "fleet: lab\ndefaults: { biologicalType: syn3a }\nvms:\n";
    expect(await problemsOf(`${head}  - { vmId: a-1 }\n  - { vmId: a, count: 2 }\n`)).toEqual([
      "5 vms.1.vmId: a-1 is already declared at vms.0: choose another id",
    ]);
    expect(await problemsOf(`${head}  - { vmId: a, resources: { vcpus: 2 } }\n`)).toEqual([
      "4 vms.0.resources.vcpus: is not a resource of a basic VM: use atpPerSecond, dnaKilobases, ribosomes, rnaPolymerases",
    ]);
    expect(await problemsOf("fleet: lab\nvms: [{ vmId: a }]\n")).toEqual([
      expect.stringMatching(/^2 vms.0.biologicalType: /),
    ]);
  });

  it("is rejected when it is malformed YAML, repeats a key, or expands too many aliases", async () => {
    expect(await problemsOf("fleet: lab\nvms: [\n")).toEqual([expect.stringMatching(/^\d+ : /)]);
    expect(await problemsOf("fleet: lab\nfleet: red\nvms: []\n")).toEqual(["2 : Map keys must be unique"]);
    const bomb = ["a: &a [x, x, x, x, x, x, x, x, x]"];
    for (const [here, before] of ["ba", "cb", "dc", "ed", "fe"].map((pair) => [...pair])) {
      bomb.push(`${here}: &${here} [${Array(9).fill(`*${before}`).join(", ")}]`);
    }
    expect((await problemsOf(bomb.join("\n"))).length).toBeGreaterThan(0);
  });
});
