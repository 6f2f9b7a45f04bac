/**
 * Cells whose both daughters live on: the lineage on a real stack is that of the model alone, whatever dies meanwhile.
 */
import { Cell, cellTypeOf } from "@bioxen/cell-models";
import { afterAll, beforeAll, expect, it } from "vitest";
import { killNow } from "./kill.ts";
import { eventually, type Json, World } from "./world.ts";

const LAST_MINUTE = 330;
const SEED = 7;
/** Minutes between two recorded rows. */
const EVERY = 30;

let world: World;
beforeAll(async () => {
  world = await World.open({ keys: true, chassis: "ecoli:1,yeast:1" });
});
afterAll(() => world.close());

interface Member {
  readonly vmId: string;
  readonly mother: string | null;
  readonly seed: number;
  readonly bornAt: number;
  /** Growth rates by minute. */
  readonly course: ReadonlyMap<number, number>;
}

async function membersOf(root: string): Promise<Json[]> {
  const { vms } = await world.look("qry.vm.list", { label: `lineage=${root}` });
  return vms ?? [];
}

/** Starts a cell whose daughters live on, and returns its whole lineage once every cell is at the last minute. */
async function lineageOf(
  root: string,
  meanwhile: () => Promise<void> = async () => undefined,
): Promise<Member[]> {
  const until = ["--time-scale", "max", "--until", String(LAST_MINUTE), "--record-every", String(EVERY)];
  const kind = ["--type", "syn3a", "--noise", "partition", "--seed", String(SEED), "--lineage", "both"];
  const made = await world.bioxen(
    "vm",
    "create",
    root,
    ...kind,
    ...until,
    "--label",
    `lineage=${root}`,
    "--start",
  );
  expect(made.code, made.stderr).toBe(0);
  await eventually(`${root} has daughters`, async () =>
    (await membersOf(root)).length > 1 ? true : undefined,
  );
  await meanwhile();
  const members = await eventually(`${root} at its end`, async () => {
    const vms = await membersOf(root);
    return vms.length > 0 && vms.every(({ until: last }) => last?.reached) ? vms : undefined;
  });
  return Promise.all(
    members.map(async ({ vmId, parent, seed, birth, owner }: Json) => {
      expect(owner).toBe(members[0].owner);
      const { rows, columns } = await world.done("qry.course.get", { vmId });
      const at = columns.findIndex(({ name }: Json) => name === "growthRatePerMinute");
      const course = new Map<number, number>(rows.map((row: Json) => [row[0], row[at]]));
      const mother = parent?.slice(root.length) ?? null;
      return { vmId: vmId.slice(root.length), mother, seed, bornAt: birth?.simMinute ?? 0, course };
    }),
  );
}

let undisturbed: Member[];

/** Lets the lineage live in the model alone. Returns each cell's growth rates at the recorded minutes, by the end of its id. */
function alone(seedOf: (vmId: string) => number): Map<string, Map<number, number>> {
  const allocation = cellTypeOf("syn3a").fullDemand;
  const mother = Cell.boot({ biologicalType: "syn3a", allocation, seed: SEED, noise: "partition" });
  const cells: (readonly [string, Cell])[] = [["", mother]];
  const courses = new Map<string, Map<number, number>>();
  for (const [vmId, cell] of cells) {
    cell.onSecondDaughter = (daughter, division) => {
      const id = `${vmId}-${division}`;
      cells.push([id, Cell.restore(daughter, { seed: seedOf(id) })]);
    };
    const course = new Map<number, number>();
    for (; cell.simMinutes < LAST_MINUTE; cell.advance(1)) {
      if (cell.simMinutes % EVERY === 0) course.set(cell.simMinutes, cell.sample().growthRatePerMinute);
    }
    course.set(cell.simMinutes, cell.sample().growthRatePerMinute);
    courses.set(vmId, course);
  }
  return courses;
}

/** Number of rows of a cell that was born at this minute: none of the minute itself, but at the begin of a lineage. */
function rowsFrom(bornAt: number): number {
  return Math.floor(LAST_MINUTE / EVERY) - Math.floor(bornAt / EVERY) + (bornAt === 0 ? 1 : 0);
}

it("makes a VM for every second daughter, and the cells are those of the model alone", async () => {
  undisturbed = await lineageOf("one");
  const expected = alone((id) => undisturbed.find(({ vmId }) => vmId === id)?.seed ?? 0);
  expect(undisturbed.map(({ vmId }) => vmId).sort()).toEqual([...expected.keys()].sort());
  expect(undisturbed.length).toBeGreaterThan(5);
  for (const { vmId, course, bornAt } of undisturbed) {
    expect(course.size, vmId).toBe(rowsFrom(bornAt));
    for (const [minute, rate] of course)
      expect(rate, `${vmId} at ${minute}`).toBe(expected.get(vmId)?.get(minute));
  }
  expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
}, 120_000);

it("is the same lineage, bit for bit, when agent and lifecycle are killed while the cells divide", async () => {
  const killed = await lineageOf("two", async () => {
    await world.killAgent();
    killNow(world.stack.services().find(({ name }) => name === "lifecycle")?.pid);
  });
  const byId = (members: readonly Member[]) => new Map(members.map((member) => [member.vmId, member]));
  expect(byId(killed)).toEqual(byId(undisturbed));
}, 120_000);

it("a daughter waits for a place like any other VM, and an experiment has no second daughters", async () => {
  const { vm } = await world.done("qry.vm.get", { vmId: "one-1" });
  expect(vm).toMatchObject({ parent: "one", birth: { root: "one", division: 1 } });
  const file = {
    experiment: "both",
    record: { everyMinutes: 1 },
    base: { biologicalType: "syn3a", config: { lineage: "both" } },
    untilMinute: 5,
  };
  const { error } = await world.ask("cmd.experiment.start", { file });
  expect(error.details.problems).toEqual([
    { path: "file.base.config.lineage", message: expect.stringContaining("must be one") },
  ]);
});
