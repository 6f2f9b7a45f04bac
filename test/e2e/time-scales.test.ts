/**
 * An experiment has the same bytes at every time scale: its results and courses at 1, 10 and 37 minutes a second and at
 * `max`, through kills of the agent and a move of VMs to another agent.
 *
 * An experiment makes its VMs at the time scale `max`. For the other scales the test makes the same VMs first, without a
 * time scale of their own: the experiment takes those with its label and its seed for its own, and they live at the
 * rate of their agent.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { experimentOf } from "@bioxen/contracts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

/**
 * SHA-256 of the files of the experiment, the same on every machine with Node.js 24. After an intended change of the
 * model, of Lua or of the files, the failed comparison shows the new digests; CHANGELOG names the reason.
 */
const DIGESTS = {
  results: "b941395171d357cb296f0df92aa5d5ba848bae03b58eba53e1e95fcdebbb7998",
  courses: "39883a3542a6e5399910ad3173b0558b02aac94f27624d9aa3eff84b95e5f281",
};

/**
 * Follows its cell, acts at random and at divisions, and keeps what it knows in `state`. Its loop makes a simulated
 * minute take some milliseconds, so that a cell at `max` lives for seconds and can be moved meanwhile.
 */
const CONTROLLER = `
  state.sum = state.sum or 0
  state.divisions = state.divisions or 0
  function on_division(c, n)
    state.divisions = state.divisions + n
    c.set_environment{substrate = 8000 + 100 * state.divisions}
  end
  function on_minute(c)
    local x = c.sim_minutes()
    for i = 1, 200 do x = (31 * x + #string.rep("cell", 20000 + i)) % 65521 end
    state.sum = (state.sum + x) % 65521
    if c.sim_minutes() % 7 == 0 then
      c.set_environment{nutrient_quality = 0.2 + 0.6 * math.random(), chloramphenicol_um = state.sum % 3}
    elseif c.health() < 30 then
      c.set_environment{chloramphenicol_um = 0}
    end
  end`;
const LAST_MINUTE = 80;
const FILE = {
  experiment: "scales",
  base: {
    biologicalType: "ecoli",
    config: { partitionNoise: true },
    resources: { rnaPolymerases: "40%" },
    program: CONTROLLER,
    schedule: [
      { atMinute: 33, resources: { ribosomes: "35%" } },
      { atMinute: 52, environment: { nutrientQuality: 0.9, chloramphenicolMicromolar: 1 } },
    ],
  },
  sweep: { "environment.nutrientQuality": [0.3, 0.7], "resources.ribosomes": ["40%", "60%", "80%"] },
  replicates: 2,
  seed: 5,
  untilMinute: LAST_MINUTE,
  record: { everyMinutes: 5 },
};
type File = Omit<typeof FILE, "base"> & { readonly base: Partial<typeof FILE.base> };
const VMS = 12;
/** Chassis of the agent `local`: each VM has a place at once, so that all live at the same time. */
const CHASSIS = "yeast:5";
/** A run at 1 minute a second takes {@link LAST_MINUTE} seconds, and the others follow each other beside it. */
const TEST_MS = 600_000;
const RUN_MS = 300_000;

beforeAll(() => {
  process.env["BIOXEN_CHECKPOINT_INTERVAL_MS"] = "1000";
});
afterAll(() => {
  delete process.env["BIOXEN_CHECKPOINT_INTERVAL_MS"];
});

interface Files {
  readonly results: string;
  readonly courses: string;
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** Makes the VMs of the file as its experiment does, but at the rate of their agent. */
async function makeAtRate(world: World, file: File): Promise<void> {
  const parsed = experimentOf(file);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const { experiment } = parsed;
  for (let index = 0; index < experiment.vmCount; index += 1) {
    await world.done("cmd.vm.create", {
      ...experiment.vm(index).create,
      record: file.record,
      until: { simMinutes: file.untilMinute, then: "stop" },
    });
  }
}

/** Starts the experiment, lets `disturb` act while it runs, and returns its files once it has ended. */
async function filesOf(
  world: World,
  file: File,
  disturb: () => Promise<void> = async () => undefined,
): Promise<Files> {
  const name = join(world.dir, `${file.experiment}.json`);
  await writeFile(name, JSON.stringify(file));
  await world.done("cmd.experiment.start", { file });
  await disturb();
  await eventually(
    `${file.experiment} has ended`,
    async () => {
      const { experiment } = await world.look("qry.experiment.get", {
        experimentId: file.experiment,
        limit: 1,
      });
      return typeof experiment?.endedAtMs === "number" || undefined;
    },
    RUN_MS,
  );
  const out = join(world.dir, file.experiment);
  const ran = await world.bioxen("experiment", "run", name, "--out", out);
  expect(ran.code, ran.stderr).toBe(0);
  const [results = "", courses = ""] = await Promise.all(
    ["results.csv", "courses.csv"].map((one) => readFile(join(out, one), "utf8")),
  );
  expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
  return { results, courses };
}

async function eventsOf(world: World, vmId: string, type: string): Promise<Json[]> {
  const { events } = await world.done("qry.vm.history", { vmId });
  return events.filter((event: Json) => event.type === `bioxen.vm.${type}.v1`).map(({ data }: Json) => data);
}

async function runAt(timeScale: number | "max", disturb?: (world: World) => Promise<void>): Promise<Files> {
  const rate = timeScale === "max" ? {} : { timeScale };
  const world = await World.open({ keys: true, chassis: CHASSIS, ...rate });
  try {
    if (timeScale !== "max") await makeAtRate(world, FILE);
    return await filesOf(world, FILE, () => disturb?.(world) ?? Promise.resolve());
  } finally {
    await world.close();
  }
}

/** Waits until the agent has started the guest of `scales-01` again for the `count`th time. */
async function startedAgain(world: World, count: number): Promise<void> {
  await eventually("the guest was started again", async () =>
    (await eventsOf(world, "scales-01", "guest-restarted")).length === count ? true : undefined,
  );
}

/** Kills the agent twice in the middle of the courses. */
async function killTwice(world: World): Promise<void> {
  for (const [i, minute] of [20, 45].entries()) {
    await world.sample("scales-01", (sample) => sample.simMinutes >= minute);
    await world.killAgent();
    await startedAgain(world, i + 1);
  }
}

/** Kills the agent as soon as the guests run, and again as soon as they run again. */
async function killTwiceAtOnce(world: World): Promise<void> {
  for (const count of [1, 2]) {
    await world.reach("scales-01", "running");
    await world.killAgent();
    await startedAgain(world, count);
  }
}

const AGENT = fileURLToPath(new URL("../../services/chassis-agent/main.ts", import.meta.url));
const MOVED = ["scales-01", "scales-02"];

/** Starts the agent `other` with the chassis `ecoli-1`, on which nothing is placed. */
async function startOther(world: World): Promise<ChildProcess> {
  const added = await world.bioxen("auth", "add", "other", "--role", "agent");
  expect(added, added.stderr).toMatchObject({ code: 0 });
  const env = {
    ...(await world.agentEnvironment("other")),
    BIOXEN_CHASSIS: "ecoli:1",
    BIOXEN_TIME_SCALE: "10",
  };
  const child = spawn(process.execPath, [AGENT], { env, stdio: ["ignore", "ignore", "inherit", "ipc"] });
  await new Promise((resolve) => child.once("message", resolve));
  await eventually("the chassis of the other agent is ready", async () => {
    const { chassis } = await world.look("qry.chassis.get", { chassisId: "ecoli-1" });
    return chassis?.state === "ready" || undefined;
  });
  await world.done("cmd.chassis.cordon", { chassisId: "ecoli-1" });
  return child;
}

/** Moves VMs to the other agent while they live. */
async function move(world: World): Promise<void> {
  await world.reach(MOVED[0] ?? "", "running");
  await world.done("cmd.chassis.uncordon", { chassisId: "ecoli-1" });
  for (const vmId of MOVED) {
    await world.reach(vmId, "running");
    await world.done("cmd.vm.migrate", { vmId, chassisId: "ecoli-1" });
  }
}

async function movedAtMax(): Promise<Files> {
  const world = await World.open({ keys: true, chassis: CHASSIS });
  const other = await startOther(world);
  try {
    const files = await filesOf(world, FILE, () => move(world));
    const minutes = [];
    for (const vmId of MOVED) {
      const moves = await eventsOf(world, vmId, "moved");
      minutes.push(...moves.map(({ checkpoint }) => checkpoint.simMinutes));
    }
    expect(minutes, "each VM moved in the middle of its course").toHaveLength(MOVED.length);
    for (const minute of minutes) expect(minute).toBeGreaterThan(0);
    for (const minute of minutes) expect(minute).toBeLessThan(LAST_MINUTE);
    return files;
  } finally {
    other.kill("SIGKILL");
    await world.close();
  }
}

/** Each scale with its files. The slowest run needs little of the machine, so the others run beside it. */
async function filesByScale(): Promise<[string, Files][]> {
  const slow = runAt(1);
  const others: [string, Files][] = [];
  try {
    others.push(["10, with two kills of the agent", await runAt(10, killTwice)]);
    others.push(["37", await runAt(37)]);
    others.push(["max, with two kills of the agent", await runAt("max", killTwiceAtOnce)]);
    others.push(["max, with moves", await movedAtMax()]);
  } finally {
    // Also after a failure, the stack of this run must have ended.
    await Promise.allSettled([slow]);
  }
  return [["1", await slow], ...others];
}

it(
  "has the same results and courses at every time scale, through kills and moves, on every machine",
  async () => {
    const all = await filesByScale();
    const [, wanted] = all[0] as [string, Files];
    expect(wanted.results.trimEnd().split("\n")).toHaveLength(VMS + 1);
    for (const [scale, files] of all) {
      expect(files.results, `results at ${scale}`).toBe(wanted.results);
      expect(files.courses, `courses at ${scale}`).toBe(wanted.courses);
    }
    expect({ results: sha256(wanted.results), courses: sha256(wanted.courses) }).toEqual(DIGESTS);
  },
  TEST_MS,
);

/** The digest of the course of each VM: the last value of its line. */
const digestsIn = ({ results }: Files) =>
  results
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => line.split(",").at(-1));

it(
  "has other courses without its controller, and without its schedule",
  async () => {
    const world = await World.open({ keys: true, chassis: CHASSIS });
    try {
      const { program, schedule, ...rest } = FILE.base;
      const whole = digestsIn(await filesOf(world, FILE));
      const variants = {
        "without-controller": { ...rest, schedule },
        "without-schedule": { ...rest, program },
      };
      for (const [experiment, base] of Object.entries(variants)) {
        const digests = digestsIn(await filesOf(world, { ...FILE, experiment, base }));
        expect(digests).toHaveLength(VMS);
        for (const [i, digest] of digests.entries()) {
          expect(digest, "it has a result").toMatch(/^[0-9a-f]{64}$/);
          expect(digest, `${experiment}-${i + 1}`).not.toBe(whole[i]);
        }
      }
    } finally {
      await world.close();
    }
  },
  TEST_MS,
);
