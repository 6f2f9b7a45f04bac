/**
 * An administrator of the pool reverts a machine that runs to a snapshot of an earlier start of its VM: the VM goes on
 * under its present reservation.
 */
import { createFakeXapi, type FakeXapi } from "@bioxen/fake-xapi";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

const PASSWORD = "only-the-agent-may-know";
/** Time limit for one test, ms: on a busy machine, the stack and its commands are slow. */
const TIMEOUT_MS = 300_000;

let fake: FakeXapi;
let world: World;

beforeAll(async () => {
  fake = await createFakeXapi({ password: PASSWORD });
  process.env["BIOXEN_XCPNG_PASSWORD"] = PASSWORD;
  world = await World.open({
    chassis: "ecoli:1",
    xcpng: { url: fake.url, fingerprint: fake.fingerprint },
  });
});
afterAll(async () => {
  await world.close();
  delete process.env["BIOXEN_XCPNG_PASSWORD"];
  await fake.close();
});

function machine(vmId: string): Json {
  const own = fake.pool.db
    .all("VM")
    .map(([ref, vm]) => ({ ref, ...vm }) as Json)
    .filter((vm) => vm.other_config["bioxen:vm-id"] === vmId && !vm.is_a_snapshot);
  expect(own).toHaveLength(1);
  return own[0];
}

const calls = (method: string) => fake.statistics.byMethod.get(`Async.${method}`) ?? 0;
const typesOf = async (vmId: string): Promise<string[]> =>
  (await world.done("qry.vm.history", { vmId })).events.map((e: Json) =>
    e.type.replace(/bioxen\.vm\.|\.v\d+/g, ""),
  );

it.each(["snapshot", "checkpoint"])(
  "a revert of a running machine to a %s of an earlier start",
  {
    timeout: TIMEOUT_MS,
  },
  async (kind) => {
    const vmId = `r-${kind}`;
    await world.done("cmd.vm.create", { vmId, biologicalType: "ecoli", vmType: "xcpng" });
    await world.done("cmd.vm.start", { vmId });
    await world.reach(vmId, "running");
    const first = machine(vmId);
    const earlier = await fake.outside(`VM.${kind}`, first.ref, "an administrator's");
    // The pool suspends the machine while its memory is written, and BioXen observes that.
    await eventually("the machine runs", () => machine(vmId).power_state === "Running" || undefined);
    await world.done("cmd.vm.stop", { vmId });
    await world.reach(vmId, "stopped");
    await world.done("cmd.vm.start", { vmId });
    await world.reach(vmId, "running");
    const { uuid, domid, other_config } = machine(vmId);
    const fence = other_config["bioxen:fence"];
    expect(fence).not.toBe(first.other_config["bioxen:fence"]);
    const { ledger } = await world.done("qry.ledger.get", { chassisId: "xcpng-1" });
    const events = (await typesOf(vmId)).length;
    await fake.outside("VM.revert", earlier);
    // The agent starts the machine, or resumes it if it comes between the steps of the revert to a checkpoint.
    const again = await eventually("the machine runs under its present reservation", () => {
      const now = machine(vmId);
      const isBack = now.power_state === "Running" && now.other_config["bioxen:ran"] === fence;
      return isBack && now.domid !== domid ? now : undefined;
    });
    expect(again).toMatchObject({ uuid, other_config: { "bioxen:fence": fence } });
    // A later command is carried out on the machine, so that the agent has no other work for it.
    await world.done("cmd.vm.pause", { vmId });
    await eventually("the machine is paused", () => machine(vmId).power_state === "Paused" || undefined);
    expect((await world.done("qry.vm.get", { vmId })).vm.state).toBe("paused");
    expect((await world.done("qry.ledger.get", { chassisId: "xcpng-1" })).ledger).toEqual(ledger);
    const added = (await typesOf(vmId)).slice(events);
    expect(added.filter((type) => !["observed", "guest-restarted", "paused"].includes(type))).toEqual([]);
    expect(calls("VM.revert")).toBe(0);
    await world.done("cmd.vm.destroy", { vmId });
    await world.reach(vmId, "destroyed");
    expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
  },
);
