/**
 * Cells with noise and a random age on a real stack: what the command line says reaches the cell, and the seed decides all.
 */
import { Cell, cellTypeOf } from "@bioxen/cell-models";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

const LAST_MINUTE = 60;
const SEED = 7;

let world: World;
beforeAll(async () => {
  world = await World.open({ keys: true, chassis: "ecoli:2" });
});
afterAll(() => world.close());

/** Creates a VM with `options` on the command line, lets it live to its last minute, and returns its recorded growth rates. */
async function lived(vmId: string, ...options: string[]): Promise<readonly number[]> {
  const until = ["--time-scale", "max", "--until", String(LAST_MINUTE), "--record-every", "1"];
  const made = await world.bioxen("vm", "create", vmId, "--type", "syn3a", ...until, ...options, "--start");
  expect(made.code, made.stderr).toBe(0);
  return eventually(`${vmId} at its end`, async () => {
    const { rows, columns } = await world.done("qry.course.get", { vmId });
    const at = columns.findIndex(({ name }: Json) => name === "growthRatePerMinute");
    return rows.length > LAST_MINUTE ? rows.map((row: Json) => row[at]) : undefined;
  });
}

it("gives equal cells for equal seeds, and those of the model alone", async () => {
  const noisy = ["--noise", "expression", "--age", "random"];
  const one = await lived("one", ...noisy, "--seed", String(SEED));
  expect(await lived("two", ...noisy, "--seed", String(SEED))).toEqual(one);
  expect(await lived("other", ...noisy, "--seed", "8")).not.toEqual(one);
  const cell = Cell.boot({
    biologicalType: "syn3a",
    allocation: cellTypeOf("syn3a").fullDemand,
    seed: SEED,
    noise: "expression",
    age: "random",
  });
  const alone = Array.from({ length: LAST_MINUTE + 1 }, (_, minute) => {
    if (minute > 0) cell.advance(1);
    return cell.sample().growthRatePerMinute;
  });
  expect(one).toEqual(alone);
  const { vm } = await world.done("qry.vm.get", { vmId: "one" });
  expect(vm.config).toEqual({ noise: "expression", age: "random" });
});

it("refuses a noise that no cell has, and two ways to say it, with every path", async () => {
  const config = { noise: "loud", partitionNoise: true, age: "old" };
  const { error } = await world.ask("cmd.vm.create", { vmId: "wrong", biologicalType: "ecoli", config });
  expect(error.code).toBe("BAD_REQUEST");
  expect(error.details.problems.map(({ path }: Json) => path)).toEqual([
    "config.noise",
    "config.noise",
    "config.age",
  ]);
});
