/**
 * A rolling upgrade from the first release to this one, as docs/how-to/upgrade.md describes it: one process after the
 * other, while clients send commands and queries. And the way back: possible until the log has an event that the first
 * release does not know, and refused with its sequence from then on.
 */
import { rmSync } from "node:fs";
import { BIOXEN_VERSION } from "@bioxen/contracts";
import { eventually } from "@bioxen/testkit/eventually";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestServer } from "../../packages/testkit/src/nats-server.ts";
import { CliProcess } from "./cli-process.ts";
import { InsistingClient } from "./insisting-client.ts";
import type { Json } from "./json.ts";
import { Load } from "./load.ts";
import { hasCommit, PRESENT, releaseOf, ServiceProcess } from "./release.ts";

/** Release 0.1.0. */
const FIRST_RELEASE = "36f2fc7";
/** The services in the order of docs/how-to/upgrade.md. */
const ORDER = ["allocator", "lifecycle", "chassis-scheduler", "monitor", "chassis-agent"] as const;
const CHASSIS = ["ecoli-1", "yeast-1"];
const KEPT_VMS = ["kept-1", "kept-2", "kept-3", "kept-4"];
const JOBS = 20;

const isPossible = hasCommit(FIRST_RELEASE);
if (!isPossible) console.warn(`test/e2e/upgrade.test.ts is skipped: this checkout lacks ${FIRST_RELEASE}`);

let first: string;
let server: TestServer;
let nats: NatsConnection;
let client: InsistingClient;
let cli: CliProcess;
const started: ServiceProcess[] = [];
const running = new Map<string, ServiceProcess>();
/** By name, the release of the newest process. */
const releases = new Map<string, string>();

async function start(folder: string, name: string): Promise<ServiceProcess> {
  const service = await ServiceProcess.start(folder, name, {
    BIOXEN_NATS_URL: server.url,
    BIOXEN_LOG_LEVEL: "info",
    BIOXEN_CHASSIS: "ecoli:1,yeast:1",
    BIOXEN_AGENT_ID: "local",
    BIOXEN_TIME_SCALE: "10",
    BIOXEN_SNAPSHOT_EVERY: "10",
  });
  started.push(service);
  releases.set(name, folder);
  return service;
}

/** Replaces the process of a service, which runs twice for a moment. An agent of 0.1.0 must end before another begins. */
async function replace(folder: string, name: string): Promise<void> {
  const before = running.get(name);
  if (name === "chassis-agent") await before?.end();
  running.set(name, await start(folder, name));
  await before?.end();
}

/** Starts an agent of this release beside the one of 0.1.0: it must wait until the older one has ended. */
async function replaceFirstAgent(): Promise<void> {
  const starting = start(PRESENT, "chassis-agent");
  await eventually("the newer agent waits for the older one", async () => {
    const { agents } = await bioxen("status");
    const waiting: string[] = agents.flatMap((one: Json) => one.processes.map((p: Json) => p.waiting ?? ""));
    return waiting.some((reason) => reason.includes("is run by a process of version 0.1.0")) || undefined;
  });
  await running.get("chassis-agent")?.end();
  running.set("chassis-agent", await starting);
}

async function done(subject: string, payload: object, messageId?: string): Promise<Json> {
  const reply = await client.ask(subject, payload, messageId);
  expect(reply, `${subject} ${JSON.stringify(payload)}`).toMatchObject({ ok: true });
  return reply;
}

function reach(vmId: string, state: string): Promise<Json> {
  return eventually(`${vmId} is ${state}`, async () => {
    const { vm } = await done("qry.vm.get", { vmId });
    return vm.state === state ? vm : undefined;
  });
}

async function bioxen(...args: string[]): Promise<Json> {
  const { stdout, stderr } = await cli.run([...args, "--json", "--server", server.url]);
  try {
    return JSON.parse(stdout);
  } catch {
    throw new Error(`bioxen ${args.join(" ")}: ${stderr}${stdout}`);
  }
}

/** Name and version of every running instance, sorted. */
async function versions(): Promise<string[]> {
  const found = await nats.requestMany("$SRV.PING", "", { strategy: "stall", maxWait: 2_000 });
  const instances: string[] = [];
  for await (const message of found) {
    const { name, version } = message.json<Json>();
    instances.push(`${name} ${version}`);
  }
  return instances.sort();
}

async function lastSeq(): Promise<number> {
  const reply = await nats.request("$JS.API.STREAM.INFO.BIOXEN_EVENTS", "", { timeout: 5_000 });
  return reply.json<Json>().state.last_seq;
}

/** The stored outcome of a job; undefined while there is none. */
async function outcomeOf(jobId: string): Promise<Json | undefined> {
  const query = JSON.stringify({ last_by_subj: `bioxen.job-outcome.${jobId}` });
  const reply = await nats.request("$JS.API.STREAM.MSG.GET.BIOXEN_OUTCOMES", query, { timeout: 5_000 });
  const { message } = reply.json<Json>();
  return message && JSON.parse(Buffer.from(message.data, "base64").toString());
}

/** Every kept VM with its place, and every ledger, as they were after the event `atSeq`. */
async function statesAt(atSeq: number): Promise<Json> {
  const vms = await Promise.all(KEPT_VMS.map((vmId) => done("qry.vm.get", { vmId, atSeq })));
  const ledgers = await Promise.all(CHASSIS.map((chassisId) => done("qry.ledger.get", { chassisId, atSeq })));
  // The first release does not page and knows no owners: it has no cursor, and its VMs have no owner.
  const owned = vms.map(({ vm: { owner: _, ...vm }, ...reply }) => ({ ...reply, vm }));
  return [...owned, ...ledgers].map(({ cursor: _, ...reply }) => reply);
}

/** What stays the same while processes are replaced: a kept VM has its place, and a chassis its settings. */
async function present(): Promise<Json> {
  const vms = await Promise.all(KEPT_VMS.map((vmId) => done("qry.vm.get", { vmId })));
  const { chassis } = await done("qry.chassis.list", {});
  return {
    vms: vms.map(({ vm }) => [vm.vmId, vm.incarnation, vm.state, vm.chassisId, vm.allocation, vm.labels]),
    chassis: chassis.map((one: Json) => [one.chassisId, one.capacity, one.offered, one.cordoned, one.maxVms]),
  };
}

async function expectNothingLost(load: Load): Promise<void> {
  await load.stop();
  expect(load.failed).toEqual([]);
  expect(load.lived.length).toBeGreaterThan(0);
  expect(load.queries).toBeGreaterThan(0);
  expect(load.listings).toBeGreaterThan(0);
  const { vms } = await done("qry.vm.list", { state: "destroyed" });
  const destroyed = new Set(vms.map((vm: Json) => vm.vmId));
  expect(load.lived.filter((vmId) => !destroyed.has(vmId))).toEqual([]);
}

/** Lives a VM for which every service sends its requests to the others: placement, resize, checkpoint, move, exec. */
async function liveWithAllRequests(vmId: string): Promise<void> {
  await done("cmd.vm.create", { vmId, biologicalType: "syn3a" });
  await done("cmd.vm.start", { vmId });
  const { chassisId } = await reach(vmId, "running");
  await done("cmd.vm.resize", { vmId, resources: { ribosomes: 400 } });
  await done("cmd.vm.snapshot", { vmId, snapshotId: "s1" });
  const to = CHASSIS.find((other) => other !== chassisId);
  await done("cmd.vm.migrate", { vmId, chassisId: to });
  await eventually(`${vmId} runs on ${to}`, async () => {
    const { vm } = await done("qry.vm.get", { vmId });
    return vm.chassisId === to && vm.state === "running" ? vm : undefined;
  });
  // 0.1.0 does not know the event of a program, which is recorded once the agent is of this release.
  const readOnly = releases.get("chassis-agent") === first ? {} : { readOnly: true };
  const { result } = await done("cmd.vm.exec", {
    vmId,
    source: "return cell.growth_rate() > 0",
    ...readOnly,
  });
  expect(result).toBe(true);
  await done("cmd.vm.destroy", { vmId });
}

/** In the middle of the upgrade the commands of this release say which services are still of the first one. */
async function expectBothReleasesShown(): Promise<void> {
  const { ok, services } = await bioxen("status");
  // The first release has no service of experiments, and this test starts none.
  const missing = services.filter(({ ready }: Json) => !ready).map(({ name }: Json) => name);
  expect([ok, missing]).toEqual([false, ["experiments"]]);
  const versionsOf = (name: string) => services.find((one: Json) => one.name === name).versions;
  expect([versionsOf("lifecycle"), versionsOf("monitor")]).toEqual([[BIOXEN_VERSION], ["0.1.0"]]);
  const { findings } = await bioxen("doctor");
  const releases = findings.find(({ check }: Json) => check === "releases");
  expect(releases.found).toContain("chassis-scheduler 0.1.0, monitor 0.1.0");
}

async function expectCleanLog(): Promise<void> {
  expect(await bioxen("events", "verify")).toMatchObject({ violations: [] });
}

const create = (vmId: string, labels: Readonly<Record<string, string>> = {}) => ({
  vmId,
  biologicalType: "syn3a",
  labels: { team: "red", ...labels },
});
const kept = (vmId: string) => create(vmId, { kept: "yes" });

describe.skipIf(!isPossible)("from 0.1.0 to this release and back", () => {
  let statesBefore: Json;
  let presentBefore: Json;
  let seqBefore: number;
  let firstOutcome: Json;

  beforeAll(async () => {
    first = releaseOf(FIRST_RELEASE);
    server = await TestServer.start();
    nats = await connect({ servers: server.url });
    client = new InsistingClient(nats);
    cli = new CliProcess({ ...process.env, NO_COLOR: "1" });
    await Promise.all(ORDER.map((name) => replace(first, name)));
    await eventually("the chassis take VMs", async () => {
      const { chassis } = await done("qry.chassis.list", {});
      return chassis.filter((one: Json) => one.state === "ready").length === CHASSIS.length || undefined;
    });
    await done("cmd.quota.set", { label: "team=red", resources: { ribosomes: 5_000 } });
    await done("cmd.alert.set-rule", { ruleId: "slow", metric: "vm.health", below: 1, severity: "info" });
    firstOutcome = await done("cmd.vm.create", kept("kept-1"), "create kept-1");
    for (const vmId of KEPT_VMS.slice(1)) await done("cmd.vm.create", kept(vmId));
    for (const vmId of KEPT_VMS.slice(0, 3)) await done("cmd.vm.start", { vmId });
    for (const vmId of KEPT_VMS.slice(0, 3)) await reach(vmId, "running");
    await done("cmd.vm.pause", { vmId: "kept-2" });
    await done("cmd.vm.snapshot", { vmId: "kept-1", snapshotId: "of-the-first-release" });
    await eventually("the first release has written a snapshot of its folds", () =>
      running.get("lifecycle")?.log.find((line) => line.includes("snapshot written")),
    );
    seqBefore = await lastSeq();
    [statesBefore, presentBefore] = [await statesAt(seqBefore), await present()];
  });
  afterAll(async () => {
    cli?.end();
    for (const service of started) service.kill();
    await nats?.close();
    await server?.stop();
    if (first !== undefined) rmSync(first, { recursive: true, force: true });
  });

  it("fails no command and no query, and changes no state, while each process is replaced", async () => {
    const load = new Load(client, "upgraded", KEPT_VMS);
    for (const name of ORDER) {
      if (name === "chassis-agent") await replaceFirstAgent();
      else await replace(PRESENT, name);
      expect(await statesAt(seqBefore), `after the ${name}`).toEqual(statesBefore);
      if (name === "lifecycle") await expectBothReleasesShown();
      await liveWithAllRequests(`after-${name}`);
    }
    await expectNothingLost(load);
    expect(await present()).toEqual(presentBefore);
    expect((await done("qry.vm.get", { vmId: "kept-1" })).vm.owner, "a VM from before belongs to admin").toBe(
      "admin",
    );
    expect(await versions()).toEqual(ORDER.map((name) => `${name} ${BIOXEN_VERSION}`).sort());
    // The first process of this release found a snapshot of 0.1.0, and said why it did not use it.
    expect(running.get("allocator")?.log.join("\n")).toContain(
      "ignoring the snapshot: its ledger has schema 2",
    );
    await expectCleanLog();
  });

  it("remembers the outcomes of the first release, and reads its guest states", async () => {
    const again = await done("cmd.vm.create", kept("kept-1"), "create kept-1");
    expect(again).toEqual(firstOutcome);
    await done("cmd.vm.fork", {
      vmId: "kept-1",
      fromSnapshotId: "of-the-first-release",
      newVmId: "forked",
    });
    await done("cmd.vm.destroy", { vmId: "forked" });
    await done("cmd.vm.exec", { vmId: "kept-1", source: "return cell.growth_rate()", readOnly: true });
    await done("cmd.vm.resume", { vmId: "kept-2" });
  });

  it("goes back to 0.1.0 without a loss while the log has no event that 0.1.0 does not know", async () => {
    const load = new Load(client, "returned", KEPT_VMS);
    for (const name of [...ORDER].reverse()) {
      await replace(first, name);
      await liveWithAllRequests(`back-${name}`);
    }
    expect(await versions()).toEqual(ORDER.map((name) => `${name} 0.1.0`).sort());
    await expectNothingLost(load);
    await expectCleanLog();
  });

  it("carries out the jobs that 0.1.0 left in the queue", async () => {
    await running.get("lifecycle")?.end();
    for (let i = 0; i < JOBS; i += 1) {
      const ack = await client.job("vm.create", create(`job-${i}`), `job-${i}`);
      expect(ack).toMatchObject({ stream: "BIOXEN_COMMANDS" });
    }
    await replace(PRESENT, "lifecycle");
    for (let i = 0; i < JOBS; i += 1) {
      const outcome = await eventually(`job ${i} has an outcome`, () => outcomeOf(`job-${i}`));
      expect(outcome).toMatchObject({ ok: true, changed: true, vm: { vmId: `job-${i}` } });
      await reach(`job-${i}`, "created");
    }
    await Promise.all(ORDER.filter((name) => name !== "lifecycle").map((name) => replace(PRESENT, name)));
  });

  it("is refused by 0.1.0 once the log has a message that 0.1.0 cannot read, also when it is skipped", async () => {
    await nats.request("bioxen.evt.vm.damaged", "{}", { timeout: 5_000 });
    const seq = await lastSeq();
    await done("cmd.log.skip", { seq, reason: "a test of the way back" });
    const before = await present();
    const names = ["lifecycle", "allocator"];
    await Promise.all(names.map((name) => running.get(name)?.end()));
    const older = await Promise.all(names.map((name) => start(first, name)));
    for (const subject of ["bioxen.qry.vm.list", "bioxen.qry.ledger.list", "bioxen.cmd.vm.create"]) {
      const payload = JSON.stringify(subject.includes("cmd") ? create("never") : {});
      const reply = await nats.request(subject, payload, { timeout: 5_000 });
      const { ok, error } = reply.json<Json>();
      expect({ ok, code: error.code }).toEqual({ ok: false, code: "UNAVAILABLE" });
      expect(error.message).toContain(`event ${seq} on bioxen.evt.vm.damaged cannot be read`);
    }
    await Promise.all(older.map((service) => service.end()));
    await Promise.all(names.map((name) => replace(PRESENT, name)));
    expect(await present()).toEqual(before);
    await expectCleanLog();
  });
});
