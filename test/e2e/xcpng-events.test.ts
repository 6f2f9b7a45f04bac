/**
 * Each call that ends or changes a machine or a disk of a pool follows from an event of the log that is older than the
 * call (ADR 33). Every call of the agent is joined to its VM by the keys, the name or the mark of its object, and then to
 * the events of that VM. An orphan is changed by no call until an operator has decided, also when another user changes it.
 */
import type { FakeXapi, ObservedCall } from "@bioxen/fake-xapi";
import { afterAll, beforeAll, expect, it } from "vitest";
import { METHODS } from "../../packages/driver-xcpng/src/xapi/methods.ts";
import { machineOf, objectsOf, openPoolWorld, type PoolWorld, runMachine } from "./pool-world.ts";
import { eventually, type Json, type World } from "./world.ts";

/** Time limit for one test, ms: on a busy machine, the stack and its commands are slow. */
const TIMEOUT_MS = 300_000;
/** Longest wait for the removal of all disks after a restart of the agent, ms. */
const LATE_MS = 90_000;

interface Call {
  readonly method: string;
  /** `gone`: the pool has no such object any more, so the call changes nothing. */
  readonly what: "machine" | "snapshot" | "clone" | "disk" | "gone";
  /** The VM in the keys, the name or the mark of the object; for a claimed orphan its uuid. */
  readonly vmId: string;
  readonly uuid: string;
  /** The parts of the object's name; see `tags.ts` of the driver. */
  readonly name: readonly string[];
  readonly atMs: number;
}

interface Event {
  readonly type: string;
  readonly data: Json;
}

let fake: FakeXapi;
let world: World;
let empty: Json;
const calls: Call[] = [];

let pool: PoolWorld;
beforeAll(async () => {
  pool = await openPoolWorld((prepared) => {
    fake = prepared;
    fake.onCall((call) => {
      if (call.originator.startsWith("bioxen/")) calls.push(described(call));
    });
  });
  ({ world, empty } = pool);
});
afterAll(() => pool?.close());

function described({ method, args, atMs }: ObservedCall): Call {
  const ref = String(args[0]);
  const disk = method.startsWith("VDI.") ? (fake.pool.db.find("VDI", ref) as Json) : undefined;
  if (disk !== undefined) {
    const [, , vmId = "", uuid = ""] = (disk.other_config["bioxen:remove"] ?? "").split("/");
    return { method, what: "disk", vmId, uuid, name: [], atMs };
  }
  const vm = method.startsWith("VM.") ? (fake.pool.db.find("VM", ref) as Json) : undefined;
  if (vm === undefined) return { method, what: "gone", vmId: "", uuid: "", name: [], atMs };
  const name = String(vm.name_label).split("/");
  const own = vm.other_config["bioxen:vm-id"];
  const isClone = own === undefined && vm.is_a_template === true && name[0] === "bioxen";
  const what = vm.is_a_snapshot === true ? "snapshot" : isClone ? "clone" : "machine";
  return { method, what, vmId: own ?? (isClone ? (name[3] ?? "") : ""), uuid: vm.uuid, name, atMs };
}

/** What is known about a call: the events of its VM before it. */
interface Before {
  readonly call: Call;
  readonly all: readonly Event[];
  /** Those since the guest last began to run. */
  readonly since: readonly Event[];
  /** Whether an operator had decided to delete the machine, which was an orphan. */
  readonly isDeletion: boolean;
}

const has = (events: readonly Event[], ...types: string[]) => events.some(({ type }) => types.includes(type));
const isRemoved = ({ since, isDeletion }: Before) =>
  isDeletion ||
  has(since, "destroyed") ||
  since.some(({ type, data }) => type === "stop-requested" && data.destroy === true);
/** Whether a snapshot was deleted: the one whose checkpoint has this name in the pool, or any. */
const isDropped = ({ all }: Before, name?: string) => {
  const taken = all.filter(({ type, data }) => {
    return type === "snapshotted" && (name === undefined || JSON.stringify(data).includes(name));
  });
  const ids = taken.map(({ data }) => data.snapshotId);
  return all.some(({ type, data }) => type === "snapshot-deleted" && ids.includes(data.snapshotId));
};
const isSwept = ({ call, all }: Before) =>
  call.what === "clone" &&
  all.some(({ type, data }) => type === "placed" && String(data.fence) === call.name[4]);
/** Whether the events explain the removal of a machine, snapshot, clone or disk. */
const isRemovable = (before: Before): boolean => {
  const { call } = before;
  if (isRemoved(before) || isSwept(before)) return true;
  if (call.what === "snapshot") return isDropped(before, call.name[5]);
  const hasSwept = calls.some(({ method, what, vmId }) => {
    return method === "VM.destroy" && what === "clone" && vmId === call.vmId;
  });
  return call.what === "disk" && (isDropped(before) || hasSwept);
};
const sized = ({ since }: Before) => has(since, "placed", "restored");
const ended = (before: Before) =>
  before.call.what === "snapshot"
    ? isRemovable(before)
    : before.isDeletion || has(before.since, "stop-requested", "restored", "observed");

/** What must be in the log before a call of each method. */
const EXPLAINED: Readonly<Record<string, (before: Before) => boolean>> = {
  "VM.clean_shutdown": ended,
  "VM.hard_shutdown": ended,
  "VM.destroy": isRemovable,
  "VDI.destroy": isRemovable,
  "VM.revert": ({ since }) => has(since, "restored"),
  "VM.start": sized,
  "VM.set_memory_limits": sized,
  "VM.set_VCPUs_max": sized,
  "VM.set_VCPUs_at_startup": sized,
  "VM.set_VCPUs_params": sized,
  "VM.set_memory_dynamic_range": ({ since }) => has(since, "resized", "restored"),
  "VM.set_VCPUs_number_live": ({ since }) => has(since, "resized", "restored"),
  "VM.pause": ({ since }) => has(since, "paused", "observed", "restored"),
  "VM.unpause": ({ since }) => has(since, "resumed", "observed", "restored"),
  "VM.resume": ({ since }) => has(since, "resumed", "observed", "restored"),
};
/** Methods of the client that the driver calls nowhere. */
const UNUSED = ["VM.suspend", "VM.add_to_VCPUs_params_live"];
/** Methods that end nothing: they make an object, or write keys, labels and what the machine reads about its VM. */
const HARMLESS = [
  "VM.clone",
  "VM.copy",
  "VM.provision",
  "VM.snapshot",
  "VM.checkpoint",
  "VM.add_to_other_config",
  "VM.remove_from_other_config",
  "VM.set_other_config",
  "VM.set_xenstore_data",
  "VM.set_name_label",
  "VM.set_name_description",
  "VM.add_tags",
  "VM.remove_tags",
  "VDI.add_to_other_config",
  "VDI.remove_from_other_config",
  // The interfaces of a clone that is not provisioned yet.
  "VIF.create",
  "VIF.destroy",
];

/** Events after which the guest runs: those before them explain no later call. */
const RUNS = ["started", "guest-restarted"];

async function eventLog(): Promise<Json[]> {
  const { stdout } = await world.bioxenProcess("events", "tail", "--from", "1", "--no-follow", "--json");
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

/** Returns the calls that no earlier event explains. */
function unexplained(log: readonly Json[]): readonly string[] {
  const shortOf = (type: string) => type.replace(/^bioxen\.\w+\.|\.v\d+$/g, "");
  return calls.flatMap((call) => {
    const explains = EXPLAINED[call.method];
    if (explains === undefined || call.what === "gone") return [];
    const earlier = log.filter(({ time }) => Date.parse(time) <= call.atMs);
    const all = earlier
      .filter(({ subject, type }) => subject === `vm/${call.vmId}` && type.startsWith("bioxen.vm."))
      .map(({ type, data }): Event => ({ type: shortOf(type), data }));
    const last = all.findLastIndex(({ type }) => RUNS.includes(type));
    const isDeletion = earlier.some(
      ({ type, data }) =>
        type === "bioxen.chassis.machine-deletion-requested.v1" && [call.uuid, call.vmId].includes(data.uuid),
    );
    const since = all.slice(last + 1);
    return explains({ call, all, since, isDeletion })
      ? []
      : [`${call.method} ${call.what} of ${call.vmId} (${call.name}) after ${since.map(({ type }) => type)}`];
  });
}

async function inPool(vmId: string, power_state: string, restores = 0): Promise<void> {
  await eventually(`the machine of ${vmId} is ${power_state}`, () => {
    const { power_state: now, other_config } = machineOf(fake, vmId);
    return (now === power_state && other_config["bioxen:restores"] === String(restores)) || undefined;
  });
}

async function run(vmId: string): Promise<void> {
  const config = { maxVcpus: 4, maxMemoryMiB: 4_096 };
  await runMachine(world, vmId, { config });
}

async function stop(vmId: string): Promise<void> {
  await world.done("cmd.vm.stop", { vmId });
  await world.reach(vmId, "stopped");
}

async function destroy(vmId: string): Promise<void> {
  await world.done("cmd.vm.destroy", { vmId });
  await world.reach(vmId, "destroyed", LATE_MS);
}

async function seenOf(vmId: string, count: number): Promise<void> {
  await eventually(`${count} changes of ${vmId} are observed`, async () => {
    const { events } = await world.done("qry.vm.history", { vmId });
    return events.filter(({ type }: Json) => type === "bioxen.vm.observed.v1").length === count || undefined;
  });
}

/** Snapshots, restores, a resize, changes by another user, and the removal of everything. */
async function livesWithDrift(vmId: string): Promise<void> {
  await run(vmId);
  await fake.outside("VM.snapshot", machineOf(fake, vmId).ref, "by another client");
  for (const snapshotId of ["kept", "dropped"]) await world.done("cmd.vm.snapshot", { vmId, snapshotId });
  await world.done("cmd.vm.restore", { vmId, snapshotId: "kept" });
  await inPool(vmId, "Running", 1);
  await eventually("the restart is reported", async () => {
    const { events } = await world.done("qry.vm.history", { vmId });
    return events.some(({ type }: Json) => type === "bioxen.vm.guest-restarted.v1") || undefined;
  });
  await world.done("cmd.vm.resize", { vmId, resources: { vcpus: 3, memoryMiB: 3_072 } });
  await eventually("the machine is resized", () => {
    return machineOf(fake, vmId).memory_dynamic_max === 3_072 * 1024 * 1024 || undefined;
  });
  await world.done("cmd.vm.pause", { vmId });
  await inPool(vmId, "Paused", 1);
  // A change within the agent's own operation could not be told from its result.
  await world.sample(vmId, ({ state }) => state === "paused");
  await fake.outside("VM.unpause", machineOf(fake, vmId).ref);
  await seenOf(vmId, 1);
  await inPool(vmId, "Paused", 1);
  await world.done("cmd.vm.resume", { vmId });
  await inPool(vmId, "Running", 1);
  await world.sample(vmId, ({ state }) => state === "running");
  await fake.outside("VM.suspend", machineOf(fake, vmId).ref);
  await seenOf(vmId, 2);
  await inPool(vmId, "Running", 1);
  await world.done("cmd.vm.delete-snapshot", { vmId, snapshotId: "dropped" });
  await stop(vmId);
  await fake.outside("VM.start", machineOf(fake, vmId).ref, false, false);
  await seenOf(vmId, 3);
  await inPool(vmId, "Halted", 1);
  await world.done("cmd.vm.restore", { vmId, snapshotId: "kept" });
  await world.done("cmd.vm.start", { vmId });
  await world.reach(vmId, "running");
  await inPool(vmId, "Running", 2);
  await destroy(vmId);
}

/** A clone whose reply is lost, and disks that are left when the agent dies: the sweeps of the driver remove them. */
async function isSweptUp(vmId: string): Promise<void> {
  fake.faults.add({ kind: "drop-after", method: "VM.clone" });
  await run(vmId);
  await eventually("the lost clone is swept", () => {
    return calls.some(({ method, what }) => method === "VM.destroy" && what === "clone") || undefined;
  });
  fake.faults.add({ kind: "refuse", method: "VDI.destroy", code: "VDI_IN_USE" }, 1_000);
  await world.done("cmd.vm.destroy", { vmId });
  await eventually("the record is gone and a disk is left", () => {
    return (machineOf(fake, vmId) === undefined && objectsOf(fake).vdis > empty.vdis) || undefined;
  });
  const service = () => world.stack.services().find(({ name }) => name === "chassis-agent");
  const before = service()?.pid;
  process.kill(before ?? 0, "SIGKILL");
  fake.faults.clear();
  const isReady = () => (service()?.state === "ready" && service()?.pid !== before) || undefined;
  await eventually("the agent is ready again", isReady, LATE_MS);
  await world.reach(vmId, "destroyed", LATE_MS);
}

it("every method of the client that changes something is classified", () => {
  const reads = /\.get_|^(session|event|task)\./;
  const changing = Object.keys(METHODS).filter((method) => !reads.test(method));
  expect(changing.sort()).toEqual([...Object.keys(EXPLAINED), ...HARMLESS, ...UNUSED].sort());
});

it("each call that ends or changes an object of the pool has an earlier event, and an orphan gets none", {
  timeout: TIMEOUT_MS,
}, async () => {
  const [[host = ""] = []] = fake.pool.db.all("host");
  const orphan = fake.pool.addVm({ name_label: "BioXen y1", power_state: "Running", resident_on: host });
  const { uuid } = fake.pool.db.get("VM", orphan) as Json;
  const keys = { cluster: "0123456789abcdef", owner: "local", "vm-id": "y1", incarnation: "1", fence: "7" };
  const config = Object.entries({ ...keys, reservation: "r", uuid }).map(([key, value]) => [
    `bioxen:${key}`,
    value,
  ]);
  fake.pool.db.update("VM", orphan, { other_config: Object.fromEntries(config) });
  await fake.outside("VM.pause", orphan);
  await livesWithDrift("x1");
  await fake.outside("VM.hard_shutdown", orphan);
  await isSweptUp("x2");
  expect(calls.filter((call) => call.uuid === uuid && !call.method.includes(".get_"))).toEqual([]);
  await world.bioxenJson("pool", "delete", uuid);
  await eventually("the pool is as it was at first", () => {
    return JSON.stringify(objectsOf(fake)) === JSON.stringify(empty) || undefined;
  });
  const log = await eventLog();
  expect(unexplained(log)).toEqual([]);
  const called = new Set(calls.map(({ method }) => method));
  const missing = Object.keys(EXPLAINED).filter((method) => !called.has(method));
  expect(missing, "each method of the table was called").toEqual([]);
  expect(
    calls.filter(({ method, what, vmId }) => method in EXPLAINED && what !== "gone" && vmId === ""),
  ).toEqual([]);
  expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
});
