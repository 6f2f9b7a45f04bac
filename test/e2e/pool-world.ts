/**
 * A stack whose agent has a pool, for tests of VMs of type `xcpng`: the pool is the fake, everything else is real.
 */
import { createFakeXapi, type FakeXapi } from "@bioxen/fake-xapi";
import { type Json, World } from "./world.ts";

const PASSWORD = "only-the-agent-may-know";

export interface PoolWorld {
  readonly fake: FakeXapi;
  readonly world: World;
  /** {@link objectsOf} the pool before it had a VM. */
  readonly empty: Json;
  readonly close: () => Promise<void>;
}

/** Starts the stack. `prepare` sees the pool before the stack does; `env` is added to the environment of the agent. */
export async function openPoolWorld(
  prepare: (fake: FakeXapi) => void = () => undefined,
  env: Readonly<Record<string, string>> = {},
): Promise<PoolWorld> {
  const fake = await createFakeXapi({ password: PASSWORD });
  const empty = objectsOf(fake);
  prepare(fake);
  const planted = { BIOXEN_XCPNG_PASSWORD: PASSWORD, ...env };
  Object.assign(process.env, planted);
  const { url, fingerprint } = fake;
  const world = await World.open({ chassis: "ecoli:1", xcpng: { url, fingerprint } });
  const close = async () => {
    await world.close();
    for (const name of Object.keys(planted)) delete process.env[name];
    await fake.close();
  };
  return { fake, world, empty, close };
}

/** Counts of the pool without tasks and sessions, which the agent also uses between the operations. */
export function objectsOf(fake: FakeXapi): Json {
  const { sessions: _sessions, tasks: _tasks, ...counts } = fake.counts();
  return counts;
}

/** The machine of this VM in the pool; undefined if it has none. */
export function machineOf(fake: FakeXapi, vmId: string): Json {
  return fake.pool.db
    .all("VM")
    .map(([ref, vm]) => ({ ref, ...vm }) as Json)
    .find((vm) => vm.other_config["bioxen:vm-id"] === vmId && !vm.is_a_snapshot);
}

/** Creates and starts a VM of the pool. */
export async function runMachine(world: World, vmId: string, fields: Json = {}): Promise<void> {
  await world.done("cmd.vm.create", { vmId, biologicalType: "ecoli", vmType: "xcpng", ...fields });
  await world.done("cmd.vm.start", { vmId });
  await world.reach(vmId, "running");
}
