/**
 * The tables of the catalogue, compared with the traffic of a real stack in a run that uses every service: no service
 * publishes or subscribes outside of its tables, and everything in the tables occurs.
 */

import { storageOf } from "@bioxen/auth";
import { SERVICE_NAMES, type ServiceName, serviceAccess, telemetryOf } from "@bioxen/contracts";
import { jetstreamManager } from "@nats-io/jetstream";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { eventually, type World } from "../../../test/e2e/world.ts";
import { covers } from "../src/subject-patterns.ts";
import { startTracedStack, type TracedStack, type Traffic } from "./traced-stack.ts";

/** The stack creates its own streams, and the first service to find a new log writes its record. */
const OF_AN_OPEN_STACK = [
  "$JS.API.STREAM.CREATE.*",
  "$JS.API.STREAM.INFO.KV_bioxen-log-record",
  "$KV.bioxen-log-record.log",
];
/** Inboxes are for replies; the subjects of discovery are those of the services protocol. */
const OF_EVERY_CLIENT = ["_INBOX.>"];

/** Entries of the tables that this run does not use, and the reason. */
const UNUSED: Readonly<Record<string, string>> = {
  "bioxen.as.tenant.*.stored-job.>":
    "only on a server with keys (packages/testkit/test/tenant-jobs.int.test.ts)",
  "bioxen.as.gateway-tenant.*.stored-job.>": "only on a server with keys",
  "bioxen.feed.*.vm.*": "only on a server with keys (test/e2e/tenants.test.ts)",
  "bioxen.feed.*.tel.*": "only on a server with keys",
  "bioxen.feed.*.log.*": "only on a server with keys",
  "bioxen.log.vm.*": "the monitor listens only on a server with keys",
  "$JS.API.STREAM.MSG.GET.BIOXEN_FEED": "only on a server with keys",
  "bioxen.agent.*.orphans": "only for a pool of machines (test/e2e/xcpng-owners.test.ts)",
  "bioxen.cmd.chassis.report-machine": "only for a pool of machines",
  "bioxen.cmd.chassis.report-left": "only for a pool of machines (test/e2e/xcpng-destroy.test.ts)",
  "bioxen.qry.chassis.get": "an agent asks only about a chassis that another agent has registered",
  "bioxen.tel.chassis.*": "an agent listens only while another process holds the claim on its id",
  "$JS.API.CONSUMER.INFO.BIOXEN_EVENTS.*": "the client asks only after a missed heartbeat",
  "$KV.bioxen-first-outcomes.chassis.*": "lifecycle writes it only when a job of that kind is cancelled",
  "$KV.bioxen-first-outcomes.quota.*": "lifecycle writes it only when a job of that kind is cancelled",
  "$KV.bioxen-first-outcomes.experiment.*": "lifecycle writes it only when a job of that kind is cancelled",
  "$KV.bioxen-first-outcomes.alert.*": "lifecycle writes it only when a job of that kind is cancelled",
  "$JS.API.STREAM.MSG.GET.BIOXEN_GUEST_STATE": "only after a follower without the state was asked",
  "$JS.API.STREAM.MSG.GET.BIOXEN_COURSES": "only after a follower without the batch was asked",
  "$JS.API.STREAM.PURGE.BIOXEN_COURSES": "only for a VM that was destroyed 30 days ago",
  "$JS.API.STREAM.MSG.GET.BIOXEN_COMMANDS": "a worker reads a job again only above 16 MiB of held payloads",
};

/** The request for the consumer of a worker has its filter in the subject only when there is one filter. */
const ONE_OF_TWO_FORMS = /^\$JS\.API\.CONSUMER\.(?:DURABLE\.)?CREATE\.BIOXEN_COMMANDS\./;

let stack: TracedStack;
let traffic: ReadonlyMap<string, Traffic>;

const SMALL = { ribosomes: "1%", rnaPolymerases: "1%", atpPerSecond: "1%" };

async function start(world: World, vmId: string, request: object = {}): Promise<void> {
  await world.done("cmd.vm.create", { vmId, biologicalType: "syn3a", ...request });
  await world.done("cmd.vm.start", { vmId });
}

/** A life of a VM with all commands on it, and a job of each kind. */
async function useVms(world: World): Promise<void> {
  await start(world, "cell", { program: 'print("hello")', record: { everyMinutes: 1 } });
  await world.reach("cell", "running");
  await world.ask("cmd.vm.exec", { vmId: "cell", source: 'print("x") return 1' }, "exec-1");
  const { snapshot } = await world.done("cmd.vm.snapshot", { vmId: "cell" });
  await world.ask("cmd.vm.resize", { vmId: "cell", resources: { ribosomes: 300 } }, "resize-1");
  await world.done("cmd.vm.set-environment", { vmId: "cell", environment: { nutrientQuality: 0.5 } });
  await world.done("cmd.vm.fork", { vmId: "cell", newVmId: "fork", fromSnapshotId: snapshot.snapshotId });
  await world.ask("cmd.vm.pause", { vmId: "cell" }, "pause-1");
  await world.done("cmd.vm.resume", { vmId: "cell" });
  await world.done("cmd.vm.restore", { vmId: "cell", snapshotId: snapshot.snapshotId });
  await world.reach("cell", "running");
  await world.done("cmd.vm.delete-snapshot", { vmId: "cell", snapshotId: snapshot.snapshotId });
  const { rows } = await world.done("qry.course.get", { vmId: "cell" });
  expect(rows.length, "the snapshot has stored the rows before it").toBeGreaterThan(0);
}

/** A cell whose both daughters live divides once. */
async function useDivision(world: World): Promise<void> {
  const until = { simMinutes: 130, then: "pause" };
  await start(world, "line", { config: { lineage: "both" }, timeScale: "max", until });
  await eventually("the second daughter is a VM", async () => {
    const { vm } = await world.look("qry.vm.get", { vmId: "line-1" });
    return vm?.birth?.division === 1 || undefined;
  });
  for (const vmId of ["line", "line-1"]) await world.done("cmd.vm.destroy", { vmId });
  await Promise.all(["line", "line-1"].map((vmId) => world.reach(vmId, "destroyed")));
}

/** Drain, preemption and its end, and VMs without a place. */
async function usePlaces(world: World): Promise<void> {
  await world.done("cmd.chassis.cordon", { chassisId: "ecoli-2" });
  await start(world, "low", { biologicalType: "ecoli", resources: SMALL });
  await start(world, "low-2", { biologicalType: "ecoli", resources: SMALL });
  await Promise.all(["low", "low-2"].map((vmId) => world.reach(vmId, "running")));
  await start(world, "high", { biologicalType: "ecoli", resources: SMALL, priority: 4 });
  await world.reach("high", "running");
  await world.done("cmd.vm.destroy", { vmId: "high" });
  await Promise.all(["low", "low-2"].map((vmId) => world.reach(vmId, "running")));
  for (const vmId of ["low", "low-2"]) await world.done("cmd.vm.destroy", { vmId });
  await Promise.all(["low", "low-2"].map((vmId) => world.reach(vmId, "destroyed")));
  await start(world, "starved", { resources: { ribosomes: 20_000 } });
  await world.reach("starved", "running");
  await start(world, "urgent", { resources: { ribosomes: 20_000 }, priority: 4 });
  await world.reach("urgent", "running");
  await world.done("cmd.vm.destroy", { vmId: "urgent" });
  await world.sample("starved", (sample) => sample.ribosomes.cap === 20_000);
  // No chassis is free: the move that the drain requests waits, and the end of the drain cancels it.
  await world.done("cmd.chassis.drain", { chassisId: "ecoli-1" });
  const isMoving = async () => (await world.look("qry.vm.get", { vmId: "starved" })).vm.migration !== null;
  await eventually("the move is requested", async () => (await isMoving()) || undefined);
  await world.done("cmd.chassis.cancel-drain", { chassisId: "ecoli-1" });
  await eventually("the move is cancelled", async () => !(await isMoving()) || undefined);
}

async function useExperiments(world: World): Promise<void> {
  const file = {
    experiment: "short",
    base: { biologicalType: "syn3a", resources: SMALL },
    untilMinute: 10,
    record: { everyMinutes: 10 },
  };
  await world.done("cmd.experiment.start", { file });
  await eventually("the experiment has its result", async () => {
    const { experiment } = await world.look("qry.experiment.get", { experimentId: "short" });
    return experiment?.status === "finished" || undefined;
  });
}

/** Quotas, alerts, a job of each fate, and a message that no service can read. */
async function useTheRest(world: World): Promise<void> {
  await world.done("cmd.quota.set", { label: "team=a", resources: { ribosomes: 100_000 } });
  const rule = { ruleId: "always", metric: "vm.health", below: 101, severity: "info" };
  await world.done("cmd.alert.set-rule", rule);
  const job = (subject: string, payload: object, id: string) =>
    world.send(`bioxen.job.${subject}`, JSON.stringify(payload), id);
  await job("vm.create", { vmId: "by-job", biologicalType: "syn3a" }, "job-1");
  for (const [i, subject] of [
    "vm.create",
    "quota.set",
    "chassis.cordon",
    "alert.set-rule",
    "log.skip",
    "experiment.start",
  ].entries())
    await job(subject, { nothing: true }, `bad-${i}`);
  await job("quota.set", { label: "team=b", resources: {} }, "job-2");
  await job("chassis.uncordon", { chassisId: "ecoli-2" }, "job-3");
  await job("alert.set-rule", { ...rule, ruleId: "second" }, "job-4");
  await job("experiment.cancel", { experimentId: "absent" }, "job-6");
  await job("dragon.create", {}, "stray");
  world.nats.publish("bioxen.evt.vm.broken", "{}");
  await world.nats.flush();
  const seq = await eventually("the unreadable message is listed", async () => {
    const { unreadable } = await world.look("qry.log.problems", {});
    return unreadable?.first[0]?.seq;
  });
  await world.done("cmd.log.skip", { seq, reason: "a test" });
  await job("log.unskip", { seq, reason: "a test" }, "job-5");
  // Cancelled after its end, as a dead letter: the service looks in every stream of jobs.
  await eventually("the stray job is a dead letter", async () => {
    const letters = await world.bioxenJson("jobs", "ls", "--failed");
    return JSON.stringify(letters).includes("stray") ? true : undefined;
  });
  await world.ask("cmd.job.cancel", { id: "stray" }, "cancel-1");
}

/** Destroys the VMs that have stored states, and waits until the states are gone. */
async function removeStates(world: World): Promise<void> {
  for (const vmId of ["cell", "fork"]) await world.done("cmd.vm.destroy", { vmId });
  const jsm = await jetstreamManager(world.nats);
  await eventually("a state is purged", async () => {
    const { state } = await jsm.streams.info("BIOXEN_GUEST_STATE");
    return state.first_seq > 1 ? true : undefined;
  });
}

beforeAll(async () => {
  vi.stubEnv("BIOXEN_SNAPSHOT_EVERY", "20");
  // Without keys: the test hears what every service sends.
  stack = await startTracedStack({ chassis: "ecoli:2", keys: false });
  const { world } = stack;
  try {
    await useVms(world);
    await useDivision(world);
    await usePlaces(world);
    await useExperiments(world);
    await useTheRest(world);
    await removeStates(world);
  } finally {
    await world.close();
  }
  traffic = await stack.traffic();
}, 300_000);
afterAll(() => stack.remove());

function publishedBy(service: ServiceName): string[] {
  const { calls, telemetry } = serviceAccess(service, "local");
  const { follows, requests } = storageOf(service, "local");
  return [...calls, ...telemetry.sends, ...follows, ...requests];
}

function subscribedBy(service: ServiceName): string[] {
  const discovery = ["PING", "INFO", "STATS"].flatMap((verb) => [
    `$SRV.${verb}`,
    `$SRV.${verb}.${service}`,
    `$SRV.${verb}.${service}.*`,
  ]);
  return [...serviceAccess(service, "local").serves, ...telemetryOf(service).receives, ...discovery];
}

/** Returns the subjects that no pattern covers. */
function outside(subjects: ReadonlySet<string>, patterns: readonly string[]): string[] {
  return [...subjects].filter((subject) => !patterns.some((pattern) => covers(pattern, subject))).sort();
}

/** Returns the patterns that cover no subject. */
function unused(patterns: readonly string[], subjects: ReadonlySet<string>): string[] {
  return patterns.filter(
    (pattern) =>
      !ONE_OF_TWO_FORMS.test(pattern) &&
      UNUSED[pattern] === undefined &&
      ![...subjects].some((subject) => covers(pattern, subject)),
  );
}

describe.each(SERVICE_NAMES)("%s", (service) => {
  const own = () => traffic.get(service) ?? { published: new Set<string>(), subscribed: new Set<string>() };

  it("publishes what its tables allow, and all of it", () => {
    const { published } = own();
    const allowed = publishedBy(service);
    expect(outside(published, [...allowed, ...OF_AN_OPEN_STACK, ...OF_EVERY_CLIENT])).toEqual([]);
    expect(unused(allowed, published)).toEqual([]);
  });

  it("subscribes to what its tables allow, and to all of it", () => {
    const { subscribed } = own();
    const allowed = subscribedBy(service);
    expect(outside(subscribed, [...allowed, ...OF_EVERY_CLIENT])).toEqual([]);
    expect(unused(allowed, subscribed)).toEqual([]);
  });
});
