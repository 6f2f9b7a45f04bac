/** `experiment plan` reads a file, and names every problem with its line. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { runProgram } from "../run-program.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-experiment-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));
afterEach(() => vi.restoreAllMocks());

async function plan(text: string, ...options: string[]): Promise<{ code: number; out: string; err: string }> {
  const file = join(dir, "file.yaml");
  await writeFile(file, text);
  const written = { out: "", err: "" };
  for (const name of ["out", "err"] as const) {
    vi.spyOn(process[`std${name}`], "write").mockImplementation((part) => {
      written[name] += String(part);
      return true;
    });
  }
  await runProgram(["node", "bioxen", "experiment", "plan", file, ...options]);
  vi.restoreAllMocks();
  const code = Number(process.exitCode ?? 0);
  process.exitCode = 0;
  return { code, out: written.out, err: written.err.replaceAll(file, "FILE") };
}

const GROWTH_LAW = `experiment: growth-law
base: { biologicalType: ecoli, config: { parameterSet: weisse-2015 } }
sweep:
  environment.nutrientQuality: [0.08, 0.5]
  resources.ribosomes: ["50%", "100%"]
replicates: 2
untilMinute: 600
record: { everyMinutes: 10 }
`;

describe("experiment plan", () => {
  it("lists the VMs with their values and seeds", async () => {
    const { code, out } = await plan(GROWTH_LAW);
    expect(code).toBe(0);
    expect(out).toMatch(/^experiment growth-law: 8 VMs to minute 600\n61 rows each, 488 in all\n/);
    expect(out).toMatch(/\ngrowth-law-8 +0\.5 +100% +2 +2538265693\n$/);
    const json = JSON.parse((await plan(GROWTH_LAW, "--json")).out);
    expect(json).toMatchObject({ ok: true, experiment: "growth-law", rowsPerVm: 61, rowCount: 488 });
    expect(json.vms[7]).toEqual({
      vmId: "growth-law-8",
      values: { "environment.nutrientQuality": 0.5, "resources.ribosomes": "100%" },
      replicate: 2,
      seed: 2538265693,
    });
  });

  it("lists at most 20 VMs as text, and all as JSON", async () => {
    const many = GROWTH_LAW.replace("replicates: 2", "replicates: 25");
    const { out } = await plan(many);
    expect(out.split("\n").filter((line) => line.startsWith("growth-law-"))).toHaveLength(20);
    expect(out).toContain("… and 80 more; --json lists all");
    expect(JSON.parse((await plan(many, "--json")).out).vms).toHaveLength(100);
  });

  it("names every problem with its line, also below a name with dots", async () => {
    const wrong = GROWTH_LAW.replace("[0.08, 0.5]", "\n    - 0.08\n    - -1\n    - 11").replace(
      "untilMinute: 600",
      "untilMinute: 601",
    );
    const { code, out, err } = await plan(wrong);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toBe(`FILE is not a valid experiment file:
  FILE:10: untilMinute: must be a multiple of record.everyMinutes, so that the last minute is recorded: use 600 or 610
  FILE:6: sweep.environment.nutrientQuality.1: must be at least 0
  FILE:7: sweep.environment.nutrientQuality.2: must be at most 10
`);
    const { out: json } = await plan("experiment: [", "--json");
    expect(JSON.parse(json)).toMatchObject({ ok: false, error: { code: "BAD_REQUEST" } });
  });
});
