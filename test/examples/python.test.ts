/**
 * The examples in Python, and the program in the README of the Python client, on a local stack that they find by
 * themselves.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PYTHON, requirePythonUnderCi, runPython } from "../../clients/python/test/python.ts";
import { World } from "../e2e/world.ts";
import { blocksOf, ROOT } from "./blocks.ts";

requirePythonUnderCi();

const example = (name: string) => join(ROOT, "examples", "python", name);

describe.skipIf(PYTHON === undefined)("the examples in Python", () => {
  let world: World;
  let dir: string;
  /** A retry must not find the VMs of the first attempt. */
  let attempts = 0;
  beforeAll(async () => {
    world = await World.shared({ chassis: "ecoli:1" });
    dir = await mkdtemp(join(tmpdir(), "bioxen-python-examples-"));
  });
  afterAll(async () => {
    await rm(dir, { recursive: true, force: true });
    await world.close();
  });

  /** Runs Python without any setting but the folder in which the local stack leaves its address. */
  async function outputOf(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await runPython(args, { BIOXEN_HOME: world.home });
    expect(code, stderr).toBe(0);
    expect(stderr).toBe("");
    return stdout;
  }
  const freshId = (name: string) => {
    attempts += 1;
    return `${name}-${attempts}`;
  };

  it("whole_life.py shows a cell from create to destroy", async () => {
    const shown = await outputOf(example("whole_life.py"), freshId("py-whole"));
    const lines = shown.trim().split("\n");
    expect(lines.slice(0, 3)).toEqual([
      "doubles in 150.4 simulated minutes",
      "Lua in the cell returns 4",
      expect.stringMatching(/^a failed program is an exception: .*no such gene/),
    ]);
    expect(shown).toMatch(/a paused cell runs no program; allowed are .*resume/);
    expect(shown).toMatch(/the chassis has \d+ ribosomes free/);
    expect(shown).toMatch(/ribosomes: 503 allocated, [\d.]+ used/);
    expect(shown).toContain("after stop: stopped\nafter destroy: destroyed\n");
  });

  it("growth_sweep.py writes a CSV of the doubling times", async () => {
    const csv = await outputOf(
      example("growth_sweep.py"),
      "--shares",
      "10,50,100",
      "--prefix",
      freshId("py-sweep"),
    );
    const [head, ...rows] = csv.trim().split(/\r?\n/);
    expect(head).toBe("share [%],ribosomes,doubling time [min],growth rate [1/min]");
    expect(rows.map((row) => row.split(",").slice(0, 3))).toEqual([
      ["10", "51", "583.6"],
      ["50", "252", "150.4"],
      ["100", "503", "105.0"],
    ]);
    const left = await world.done("qry.vm.list", {});
    expect(left.vms).toEqual([]);
  });

  it("watch_events.py goes on where it stopped", async () => {
    const vmId = freshId("py-watched");
    await world.done("cmd.vm.create", { vmId, biologicalType: "syn3a" });
    await world.done("cmd.vm.destroy", { vmId });
    const args = ["--vm", vmId, "--position", join(dir, vmId), "--count", "1"];
    const first = await outputOf(example("watch_events.py"), ...args);
    const second = await outputOf(example("watch_events.py"), ...args);
    expect(first).toMatch(/^\d+ \S+ \S+ bioxen\.vm\.created\.v1\n$/);
    expect(second).toMatch(/^\d+ \S+ \S+ bioxen\.vm\.destroyed\.v1\n$/);
  });

  it("the program in the README of the client runs, and prints what it says", async () => {
    const [block] = blocksOf("clients/python/README.md").filter(({ language }) => language === "python");
    const vmId = freshId("py-readme");
    const shown = await outputOf("-c", (block?.text ?? "").replaceAll("cell-1", vmId));
    const [doubling, growth] = shown.trim().split("\n");
    expect(Number(doubling)).toBeCloseTo(150.4, 1);
    expect(Number(growth)).toBeGreaterThan(0);
  });
});
