/**
 * A VM whose machine needs a cell runs only once that cell lives: also if the agent of the chassis is killed between the
 * start of the machine and the delivery of the program. A cell that fails later makes its VM fail, as a `basic` one.
 */
import { createFakeXapi, type FakeXapi } from "@bioxen/fake-xapi";
import { afterAll, beforeAll, expect, it } from "vitest";
import { AGENT_KEY, ScriptedAgent } from "../../packages/driver-xcpng/test/guest-agent.ts";
import { eventually, type Json, World } from "./world.ts";
import { sshSettingsOf } from "./xcpng-programs.ts";

const PASSWORD = "only-the-agent-may-know";
const TIMEOUT_MS = 300_000;

let agent: ScriptedAgent;
let fake: FakeXapi;
let world: World;
let settings: Readonly<Record<string, string | undefined>>;

beforeAll(async () => {
  agent = await ScriptedAgent.create();
  fake = await createFakeXapi({ password: PASSWORD, ...agent.options() });
  settings = { BIOXEN_XCPNG_PASSWORD: PASSWORD, ...sshSettingsOf(fake) };
  Object.assign(process.env, settings);
  world = await World.open({ chassis: "ecoli:1", xcpng: { url: fake.url, fingerprint: fake.fingerprint } });
}, TIMEOUT_MS);
afterAll(async () => {
  await world.close();
  for (const name of Object.keys(settings)) delete process.env[name];
  await fake.close();
  agent.remove();
});

function machine(vmId: string): Json {
  const found = fake.pool.db
    .all("VM")
    .find(([, vm]) => (vm["other_config"] as Json)["bioxen:vm-id"] === vmId && vm["is_a_snapshot"] !== true);
  return found && { ref: found[0], ...found[1] };
}

const chassisAgent = () => world.stack.services().find((service) => service.name === "chassis-agent");
const stateOf = async (vmId: string) => (await world.done("qry.vm.get", { vmId })).vm.state;

it("its program arrives although the agent died after the machine came up", {
  timeout: TIMEOUT_MS,
}, async () => {
  agent.hold();
  const program = "state.runs = (state.runs or 0) + 1";
  await world.done("cmd.vm.create", { vmId: "u1", biologicalType: "syn3a", vmType: "xcpng", program });
  await world.done("cmd.vm.start", { vmId: "u1" });
  await eventually(
    "the machine runs",
    () => machine("u1")?.power_state === "Running" || undefined,
    TIMEOUT_MS,
  );
  const { domid } = machine("u1");
  const before = chassisAgent();
  process.kill(before?.pid ?? 0, "SIGKILL");
  await eventually("the agent is ready again", () => {
    const now = chassisAgent();
    return (now?.state === "ready" && now.pid !== before?.pid) || undefined;
  });
  const explained = await world.bioxen("vm", "explain", "u1");
  expect(explained.stdout).toContain("It asks for a cell (program): its start waits for the guest agent");
  expect(explained.stdout).toContain("Its machine has not reported that cell yet.");
  expect(await stateOf("u1"), "it does not run without its cell").toBe("starting");
  agent.release();
  await world.reach("u1", "running", TIMEOUT_MS);
  const { result } = await world.done("cmd.vm.exec", { vmId: "u1", source: "return state.runs" });
  expect(result).toBe(1);
  expect(machine("u1"), "its machine was started once").toMatchObject({ domid });
  const { events } = await world.done("qry.vm.history", { vmId: "u1" });
  expect(events.filter((event: Json) => event.type === "bioxen.vm.started.v1")).toHaveLength(1);
  await eventually("it is explained as a cell", async () => {
    const { stdout } = await world.bioxen("vm", "explain", "u1");
    return /Its guest now: cell in a machine \(guest agent .*, model weisse\)\./.test(stdout) || undefined;
  });
});

it("it is in error with the reason once its cell has failed", { timeout: TIMEOUT_MS }, async () => {
  await world.reach("u1", "running", TIMEOUT_MS);
  const { fence } = (await world.done("qry.vm.get", { vmId: "u1" })).vm;
  const { ref } = machine("u1");
  process.kill(fake.agents?.processes.get(ref) ?? 0, "SIGSTOP");
  const report = { version: "0.2.0", protocol: 1, model: "weisse", incarnation: 1, fence };
  const failed = { ...report, state: "failed", reason: "no step is small enough" };
  fake.agents?.writeXenstore(ref, AGENT_KEY, JSON.stringify(failed));
  const vm = await world.reach("u1", "error", TIMEOUT_MS);
  expect(vm).toMatchObject({
    reason: "the cell in its machine failed: no step is small enough",
    failure: "GUEST_ERROR",
  });
  await eventually(
    "its machine is shut down",
    () => machine("u1")?.power_state === "Halted" || undefined,
    60_000,
  );
  await world.done("cmd.vm.start", { vmId: "u1" });
  await world.reach("u1", "running", TIMEOUT_MS);
  await world.done("cmd.vm.destroy", { vmId: "u1" });
  await world.reach("u1", "destroyed", TIMEOUT_MS);
  expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
});
