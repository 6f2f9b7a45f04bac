/**
 * Which operations the fake pool allows in which power state, and beside which others, as xapi_vm_lifecycle.ml of
 * xapi-project/xen-api (commit e2ee48d) does. The expected states are copied from `allowed_power_states` there, not from
 * the table of the fake.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createFakeXapi, type FakeXapi, LIFECYCLE, TEMPLATE_NAME } from "../src/index.ts";

type State = "Halted" | "Paused" | "Suspended" | "Running";
const STATES: readonly State[] = ["Halted", "Paused", "Suspended", "Running"];

let fake: FakeXapi;
let template: string;
const call = (method: string, ...args: readonly unknown[]) => fake.outside(method, ...args);
const record = (ref: string) => fake.pool.db.get("VM", ref);

beforeAll(async () => {
  fake = await createFakeXapi({ operationMs: 1, memoryMiBPerHost: 2_000_000 });
  template = fake.pool.db.all("VM").find(([, one]) => one["name_label"] === TEMPLATE_NAME)?.[0] ?? "";
});
afterAll(() => fake.close());

/** Returns the reference of a new VM in this power state. */
async function machineIn(state: State): Promise<string> {
  const vm = String(await call("VM.clone", template, "m"));
  await call("VM.provision", vm);
  if (state !== "Halted") await call("VM.start", vm, false, false);
  if (state === "Paused") await call("VM.pause", vm);
  if (state === "Suspended") await call("VM.suspend", vm);
  expect(record(vm)["power_state"]).toBe(state);
  return vm;
}

/** Resolves with "done", or with the code of the refusal. */
const outcomeOf = (called: Promise<unknown>): Promise<string> =>
  called.then(
    () => "done",
    (thrown: { code: string }) => thrown.code,
  );

/** By operation: the method, its arguments after the VM, and the states in which XAPI allows it. */
const ROWS: readonly [string, string, (vm: string) => readonly unknown[], readonly State[]][] = [
  ["start", "VM.start", () => [false, false], ["Halted"]],
  ["clone", "VM.clone", () => ["c"], ["Halted"]],
  ["copy", "VM.copy", () => ["c", fake.pool.storage], ["Halted"]],
  ["unpause", "VM.unpause", () => [], ["Paused"]],
  ["resume", "VM.resume", () => [false, false], ["Suspended"]],
  ["clean_shutdown", "VM.clean_shutdown", () => [], ["Running"]],
  ["clean_reboot", "VM.clean_reboot", () => [], ["Running"]],
  ["pause", "VM.pause", () => [], ["Running"]],
  ["suspend", "VM.suspend", () => [], ["Running"]],
  ["pool_migrate", "VM.pool_migrate", (vm) => [record(vm)["resident_on"], {}], ["Running"]],
  ["changing_VCPUs_live", "VM.set_VCPUs_number_live", () => [1], ["Running"]],
  ["changing_VCPUs", "VM.set_VCPUs_max", (vm) => [record(vm)["VCPUs_max"]], ["Halted"]],
  ["changing_memory_limits", "VM.set_memory_limits", limitsOf, ["Halted"]],
  ["changing_dynamic_range", "VM.set_memory_dynamic_range", rangeOf, ["Halted", "Running"]],
  ["destroy", "VM.destroy", () => [], ["Halted", "Suspended"]],
  ["hard_reboot", "VM.hard_reboot", () => [], ["Paused", "Running"]],
  ["hard_shutdown", "VM.hard_shutdown", () => [], ["Paused", "Suspended", "Running"]],
  ["checkpoint", "VM.checkpoint", () => ["s"], ["Paused", "Suspended", "Running"]],
  ["snapshot", "VM.snapshot", () => ["s"], STATES],
];

function limitsOf(vm: string): readonly unknown[] {
  const { memory_static_min, memory_static_max } = record(vm);
  return [memory_static_min, memory_static_max, memory_static_max, memory_static_max];
}

function rangeOf(vm: string): readonly unknown[] {
  const { memory_static_max } = record(vm);
  return [memory_static_max, memory_static_max];
}

describe("allowed_power_states", () => {
  it.each(ROWS)("%s", async (_operation, method, argsOf, allowed) => {
    for (const state of STATES) {
      const vm = await machineIn(state);
      // A method of a VM that does not run has no host.
      const args = argsOf(vm).map((arg) =>
        arg === "OpaqueRef:NULL" ? fake.pool.db.all("host")[0]?.[0] : arg,
      );
      const outcome = await outcomeOf(call(method, vm, ...args));
      expect([state, outcome]).toEqual([state, allowed.includes(state) ? "done" : "VM_BAD_POWER_STATE"]);
    }
  });

  it("of a revert are all, and a provision needs a template", async () => {
    for (const state of STATES) {
      const vm = await machineIn(state);
      const taken = await call("VM.snapshot", vm, "s");
      expect([state, await outcomeOf(call("VM.revert", taken))]).toEqual([state, "done"]);
      expect(await outcomeOf(call("VM.provision", vm))).toBe("PROVISION_ONLY_ALLOWED_ON_TEMPLATE");
    }
  });

  it("has a test for each row of the fake's table", () => {
    const tested = ROWS.map(([operation]) => operation);
    expect([...tested, "provision", "revert", "reverting"].sort()).toEqual(Object.keys(LIFECYCLE).sort());
  });
});

describe("beside the power state", () => {
  it("a template cannot be started, and a snapshot neither started nor snapshotted (check_template, check_snapshot)", async () => {
    expect(await outcomeOf(call("VM.start", template, false, false))).toBe("VM_IS_TEMPLATE");
    const taken = await call("VM.snapshot", await machineIn("Halted"), "s");
    expect(await outcomeOf(call("VM.start", taken, false, false))).toBe("VM_IS_SNAPSHOT");
    expect(await outcomeOf(call("VM.snapshot", taken, "s"))).toBe("VM_IS_SNAPSHOT");
  });

  it("a guest without tools shuts down, suspends and checkpoints only if it does not run (VM_LACKS_FEATURE)", async () => {
    const running = await machineIn("Running");
    const paused = await machineIn("Paused");
    fake.faults.switches.guestsLackTools = true;
    for (const [method, ...args] of [["VM.clean_shutdown"], ["VM.suspend"], ["VM.checkpoint", "s"]]) {
      expect([method, await outcomeOf(call(String(method), running, ...args))]).toEqual([
        method,
        "VM_LACKS_FEATURE",
      ]);
    }
    expect(await outcomeOf(call("VM.checkpoint", paused, "s"))).toBe("done");
    expect(await outcomeOf(call("VM.hard_shutdown", running))).toBe("done");
    fake.faults.switches.guestsLackTools = false;
  });

  it("a blocked operation is refused with its reason (OPERATION_BLOCKED)", async () => {
    const vm = await machineIn("Running");
    fake.pool.db.update("VM", vm, { blocked_operations: { destroy: "kept", pause: "no pause" } });
    await expect(call("VM.pause", vm)).rejects.toMatchObject({
      code: "OPERATION_BLOCKED",
      params: [vm, "no pause"],
    });
  });

  it("a hard shutdown overtakes another operation, and not a hard shutdown (is_allowed_concurrently)", async () => {
    const vm = await machineIn("Running");
    const busy = (operation: string) =>
      fake.pool.db.update("VM", vm, { current_operations: { "OpaqueRef:other": operation } });
    busy("hard_shutdown");
    expect(await outcomeOf(call("VM.hard_shutdown", vm))).toBe("OTHER_OPERATION_IN_PROGRESS");
    busy("clean_shutdown");
    expect(await outcomeOf(call("VM.pause", vm))).toBe("OTHER_OPERATION_IN_PROGRESS");
    expect(await outcomeOf(call("VM.hard_shutdown", vm))).toBe("done");
  });
});
