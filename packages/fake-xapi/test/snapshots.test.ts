/**
 * Snapshots of the fake pool behave as those of xapi-project/xen-api (commit e2ee48d). Each test names its source.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFakeXapi, type FakeXapi, TEMPLATE_NAME } from "../src/index.ts";

let fake: FakeXapi;
let vm: string;
const call = (method: string, ...args: readonly unknown[]) => fake.outside(method, ...args);
const snapshot = async (method: "snapshot" | "checkpoint") => String(await call(`VM.${method}`, vm, "s"));
const record = (ref: string) => fake.pool.db.get("VM", ref);
const attached = (ref: string) =>
  (record(ref)["VBDs"] as string[]).map((vbd) => fake.pool.db.get("VBD", vbd)["currently_attached"]);
const disks = (ref: string) =>
  (record(ref)["VBDs"] as string[]).map((vbd) => String(fake.pool.db.get("VBD", vbd)["VDI"]));

beforeEach(async () => {
  fake = await createFakeXapi();
  const template = fake.pool.db.all("VM").find(([, one]) => one["name_label"] === TEMPLATE_NAME)?.[0];
  vm = String(await call("VM.clone", template, "m"));
  await call("VM.provision", vm);
  await call("VM.add_to_other_config", vm, "mark", "old");
  await call("VM.start", vm, false, false);
});
afterEach(() => fake.close());

describe("a revert", () => {
  it("takes other_config from the metadata of the snapshot time, and keeps tags (`revert_vm_fields`)", async () => {
    const taken = await snapshot("snapshot");
    await call("VM.set_other_config", taken, { mark: "written into the snapshot later" });
    await call("VM.set_other_config", vm, { mark: "new" });
    await call("VM.add_tags", vm, "kept");
    await call("VM.set_name_label", vm, "renamed");
    await call("VM.revert", taken);
    expect(record(vm)).toMatchObject({
      other_config: { mark: "old" },
      tags: ["kept"],
      name_label: "m",
      is_a_template: false,
      is_a_snapshot: false,
      snapshots: [taken],
    });
  });

  it("shuts a running VM down and leaves it in the snapshot's power state (`revert`)", async () => {
    const withoutMemory = await snapshot("snapshot");
    const withMemory = await snapshot("checkpoint");
    expect([record(vm)["power_state"], record(withMemory)["power_state"]]).toEqual(["Running", "Suspended"]);
    await call("VM.revert", withoutMemory);
    expect([record(vm)["power_state"], attached(vm)]).toEqual(["Halted", [false]]);
    await call("VM.revert", withMemory);
    expect([record(vm)["power_state"], attached(vm)]).toEqual(["Suspended", [true]]);
    await call("VM.resume", vm, false, false);
    expect(record(vm)).toMatchObject({ power_state: "Running", suspend_VDI: "OpaqueRef:NULL" });
  });

  it("replaces the disks of the snapshot, and leaves a disk that was added later (`revert_vbds`)", async () => {
    const taken = await snapshot("snapshot");
    const [first] = disks(vm);
    const added = fake.pool.addDisk(vm, "1", { virtual_size: 1 });
    const before = fake.counts();
    for (let i = 0; i < 2; i += 1) await call("VM.revert", taken);
    expect(disks(vm)).toHaveLength(1);
    expect(disks(vm)).not.toContain(first);
    expect(fake.pool.db.get("VDI", added)["VBDs"]).toEqual([]);
    expect(fake.counts()).toEqual({ ...before, vbds: before.vbds - 1 });
  });

  it("fails with VM_REVERT_FAILED and a halted VM when the copies have no room", async () => {
    const taken = await snapshot("snapshot");
    fake.faults.switches.storageFull = true;
    await expect(call("VM.revert", taken)).rejects.toMatchObject({ code: "VM_REVERT_FAILED" });
    expect(record(vm)["power_state"]).toBe("Halted");
  });
});

describe("a checkpoint", () => {
  it("keeps its disks attached until it is shut down hard (xapi_vbd_helpers.ml `copy`, xapi_vdi.ml)", async () => {
    const taken = await snapshot("checkpoint");
    const [disk = ""] = disks(taken);
    expect(attached(taken)).toEqual([true]);
    await expect(call("VDI.destroy", disk)).rejects.toMatchObject({ code: "VDI_IN_USE" });
    const image = String(record(taken)["suspend_VDI"]);
    await call("VM.hard_shutdown", taken);
    expect(record(taken)).toMatchObject({ power_state: "Halted", suspend_VDI: "OpaqueRef:NULL" });
    expect(fake.pool.db.find("VDI", image), "the image of the memory is gone").toBeUndefined();
    await call("VDI.destroy", disk);
  });

  it("leaves its disks and its memory image in the pool when its record is destroyed (`destroy`)", async () => {
    const before = fake.counts();
    const taken = await snapshot("checkpoint");
    await call("VM.destroy", taken);
    expect(fake.counts()).toEqual({ ...before, vdis: before.vdis + 2 });
  });

  it("of a paused VM is halted and has no memory (xapi_vm_clone.ml `clone`)", async () => {
    await call("VM.pause", vm);
    const taken = await snapshot("checkpoint");
    expect(record(taken)).toMatchObject({
      power_state: "Halted",
      suspend_VDI: "OpaqueRef:NULL",
      snapshot_info: {},
    });
    expect([record(vm)["power_state"], attached(taken)]).toEqual(["Paused", [false]]);
  });

  it("of a halted VM is VM_BAD_POWER_STATE, and of a pool without a suspend SR VM_NO_SUSPEND_SR", async () => {
    const before = fake.counts();
    fake.faults.switches.noSuspendStorage = true;
    await expect(snapshot("checkpoint")).rejects.toMatchObject({ code: "VM_NO_SUSPEND_SR" });
    expect([record(vm)["power_state"], fake.counts()]).toEqual(["Running", before]);
    await call("VM.hard_shutdown", vm);
    await expect(snapshot("checkpoint")).rejects.toMatchObject({ code: "VM_BAD_POWER_STATE" });
  });
});

it("several clones and snapshots of one VM run at once; a revert runs alone (`is_allowed_concurrently`)", async () => {
  const [one, two] = await Promise.all([snapshot("snapshot"), snapshot("checkpoint")]);
  const results = await Promise.allSettled([call("VM.revert", one), call("VM.revert", two)]);
  expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
});
