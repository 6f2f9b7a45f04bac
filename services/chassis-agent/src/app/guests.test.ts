/**
 * A guest that must not run is ended or paused even while no report can be delivered.
 */
import type { ChassisEvent, VmEvent } from "@bioxen/contracts";
import { EventFeed, Fault, type Reply, type ServicePorts, UNTRACED } from "@bioxen/kernel";
import {
  createdVm,
  envelopeOf,
  FakeClock,
  idsInOrder,
  MemoryBlobs,
  MemoryCourses,
  MemoryEventLog,
  registeredChassis,
  settle,
} from "@bioxen/testkit";
import { createScriptedDriver, type VmDriver } from "@bioxen/vm-driver";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Courses } from "./courses.ts";
import { Drivers } from "./drivers.ts";
import { GuestActions } from "./guest-actions.ts";
import { GuestStates } from "./guest-states.ts";
import { GuestView } from "./guest-view.ts";
import { Guests } from "./guests.ts";
import { Reports } from "./reports.ts";
import { SecondDaughters } from "./second-daughters.ts";

const ALLOCATION = { dnaKilobases: 5, ribosomes: 100 };
const CREATED = createdVm({ request: ALLOCATION }).data;
const LOST = { fence: 9, chassisId: "c", code: "RESERVATION_EXPIRED", reason: "x" };
const SILENT = { silentMs: 10_000, timeoutMs: 10_000, lossesInARow: 1 };
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Returns the driver, and notes each of its look-ups of guests. */
function observed(driver: VmDriver, lookUps: string[]): VmDriver {
  return new Proxy(driver, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (name === "list" || name === "kept") lookUps.push(name);
        if (name === "guest" || name === "keptGuest") lookUps.push(String(args[0]));
        return value.apply(target, args) as unknown;
      };
    },
  });
}

describe("a guest whose start cannot be reported", () => {
  const log = new MemoryEventLog();
  const seqs = new Map<string, { version: number; seq: number }>();
  let answer: () => Promise<Reply>;
  let calls: number;
  /** The payloads of the calls, as JSON. */
  let sent: string[];
  let isHolding: boolean;
  let isClaimed: boolean;
  let clock: FakeClock;
  let driver: ReturnType<typeof createScriptedDriver>;
  /** The driver of a pool. */
  let pool: ReturnType<typeof createScriptedDriver>;
  /** Calls of the driver's look-ups: `list`, `kept`, or the id that was looked up. */
  let lookUps: string[];
  let guests: Guests;

  const happens = async (subject: string, body: VmEvent | ChassisEvent) => {
    const [kind = "", id = ""] = subject.split("/");
    const before = seqs.get(subject) ?? { version: 0, seq: 0 };
    const version = before.version + 1;
    const appended = await log.append(
      `bioxen.evt.${kind}.${id}`,
      envelopeOf(kind, id, body, { version }),
      before.seq,
    );
    if (appended.kind !== "appended") throw new Error(`not appended: ${appended.kind}`);
    seqs.set(subject, { version, seq: appended.seq });
    await settle();
  };
  const vm = (id: string, type: string, data: object, version = 1) =>
    happens(`vm/${id}`, { type: `bioxen.vm.${type}.v${version}`, data } as VmEvent);
  const states = () => [...driver.list(), ...pool.list()].map(({ vmId, state }) => `${vmId} ${state}`);

  beforeEach(async () => {
    [calls, sent, isHolding, isClaimed] = [0, [], false, true];
    clock = new FakeClock();
    driver = createScriptedDriver({});
    pool = createScriptedDriver({ capabilities: { vmType: "xcpng" } });
    const bus = {
      call: (_subject: string, payload: unknown) => {
        calls += 1;
        sent.push(JSON.stringify(payload));
        return answer();
      },
    };
    const world = { log, clock, timers: clock, ids: idsInOrder("agent"), bus, logger: silent };
    // Only the ports that guests use; the bus and the logger are partial.
    const ports = {
      ...world,
      tracer: UNTRACED,
      blobs: new MemoryBlobs(clock),
      courses: new MemoryCourses(),
    } as unknown as ServicePorts;
    lookUps = [];
    const drivers = new Drivers([observed(driver, lookUps), pool]);
    const view = new GuestView("a", () => isHolding);
    const courses = new Courses(ports, "local");
    const states = new GuestStates(ports, { drivers, view, courses, agentId: "local" });
    const claim = { isHeld: () => isClaimed, require: () => undefined };
    const reports = new Reports(ports, view.vms, claim);
    const daughters = new SecondDaughters({ ...ports, agentId: "local", view, claim, states });
    const onStarted = () => undefined;
    const actions = new GuestActions({ ports, view, states, reports, courses, daughters, onStarted });
    guests = new Guests({ ports, claim, drivers, view, actions, reports, drift: "repair" });
    const feed = new EventFeed(log, [view.vms, view.chassis], clock);
    await feed.start();
    guests.begin(feed);
  });
  afterEach(() => void guests.end());

  const starts = async (vmId: string, vmType: "basic" | "xcpng" = "basic") => {
    if (!seqs.has("chassis/c")) await happens("chassis/c", registeredChassis());
    await vm(vmId, "created", { ...CREATED, vmType });
    await vm(vmId, "start-requested", { automatic: false });
    await vm(vmId, "placed", { chassisId: "c", fence: 9, allocation: ALLOCATION });
    expect(states()).toEqual([`${vmId} running`]);
    expect(calls).toBeGreaterThan(0);
  };

  it("is ended at once when its VM loses the reservation, without waiting for the answer to the report", async () => {
    answer = () => new Promise(() => undefined);
    await starts("one");
    await vm("one", "displaced", LOST, 2);
    expect(states()).toEqual([]);
    const before = calls;
    await clock.advance(60_000);
    expect(calls, "an outdated report is not repeated").toBe(before);
  });

  it("is paused while the log is unreachable", async () => {
    answer = () => Promise.reject(new Fault("UNAVAILABLE", "no service answers", { retryable: true }));
    await starts("two");
    isHolding = true;
    guests.wakeAll();
    await settle();
    expect(states()).toEqual(["two paused"]);
    isHolding = false;
    answer = async () => ({ ok: true, changed: true, seq: 0 });
    await clock.advance(10_000);
    await vm("two", "started", { fence: 9 });
    expect(states()).toEqual(["two running"]);
    await vm("two", "displaced", LOST, 2);
    expect(states()).toEqual([]);
  });

  it("starts again under its reservation when it vanished with its thread", async () => {
    answer = async () => ({ ok: true, changed: true, seq: 0 });
    await starts("lost");
    await vm("lost", "started", { fence: 9 });
    driver.tick(3_000);
    const starting = () => driver.calls.filter(({ verb, vmId }) => verb === "start" && vmId === "lost");
    const before = starting();
    driver.loseGuest("lost");
    expect(states()).toEqual([]);
    await settle();
    expect(states()).toEqual(["lost running"]);
    expect(starting()).toEqual([...before, { verb: "start", vmId: "lost", fence: 9 }]);
    expect(driver.sample("lost")?.simMinutes, "it has no state in the log").toBe(0);
    await vm("lost", "displaced", LOST, 2);
  });

  it("of a pool runs on while the log is unreachable and while its chassis counts as lost", async () => {
    answer = async () => ({ ok: true, changed: true, seq: 0 });
    await starts("machine", "xcpng");
    isHolding = true;
    await happens("chassis/c", { type: "bioxen.chassis.lost.v1", data: SILENT });
    guests.wakeAll();
    await clock.advance(10_000);
    expect(states()).toEqual(["machine running"]);
    isHolding = false;
    await happens("chassis/c", { type: "bioxen.chassis.recovered.v1", data: { lostForMs: 1 } });
    await vm("machine", "displaced", LOST, 2);
    expect(states()).toEqual([]);
  });

  it("is paused and not reported while the claim on the agent has lapsed, and no order of the log is carried out", async () => {
    answer = async () => ({ ok: true, changed: true, seq: 0 });
    await starts("three");
    await vm("three", "started", { fence: 9 });
    const before = calls;
    // Without the claim the agent holds its guests as without the log: see `LogContact.isHolding`.
    [isClaimed, isHolding] = [false, true];
    guests.wakeAll();
    await settle();
    expect(states()).toEqual(["three paused"]);
    await vm("three", "stop-requested", { destroy: false });
    await clock.advance(10_000);
    expect(states(), "the present holder of the claim ends the guest of a stopping VM").toEqual([
      "three paused",
    ]);
    expect(calls).toBe(before);
    [isClaimed, isHolding] = [true, false];
    await clock.advance(1_000);
    expect(states()).toEqual([]);
    expect(calls).toBeGreaterThan(before);
  });

  it("stays at its last minute, which is reported after its state, until the log lets it pass", async () => {
    answer = async () => ({ ok: true, changed: true, seq: 0 });
    await happens("chassis/c", registeredChassis());
    await vm("last", "created", { ...CREATED, until: { simMinutes: 2, then: "pause" } });
    await vm("last", "start-requested", { automatic: false });
    await vm("last", "placed", { chassisId: "c", fence: 9, allocation: ALLOCATION });
    await vm("last", "started", { fence: 9 });
    const minute = () => driver.sample("last")?.simMinutes;
    const reports = () => sent.filter((text) => /checkpointed|until-reached/.test(text));
    driver.tick(1_000);
    await settle();
    expect([minute(), ...reports()]).toEqual([1]);
    driver.tick(9_000);
    await settle();
    expect(minute()).toBe(2);
    expect(reports().map((text) => /"observed":"([a-z-]+)"/.exec(text)?.[1])).toEqual([
      "checkpointed",
      "until-reached",
    ]);
    expect(reports()[1]).toMatch(/"simMinute":2/);
    await vm("last", "until-reached", { fence: 9, simMinute: 2, then: "pause" });
    expect(states()).toEqual(["last paused"]);
    await vm("last", "resumed", {});
    driver.tick(5_000);
    expect([states(), minute()]).toEqual([["last running"], 7]);
    await vm("last", "displaced", LOST, 2);
    expect(states()).toEqual([]);
  });

  it("has the time of the user's deadline, and a nearer deadline reaches a stop under way", async () => {
    answer = async () => ({ ok: true, changed: true, seq: 0 });
    await starts("four");
    await vm("four", "started", { fence: 9 });
    driver.script("stop", { kind: "late-effect" });
    const before = driver.graces.length;
    const graces = () => driver.graces.slice(before);
    await vm("four", "stop-requested", { destroy: false });
    expect([states(), graces()]).toEqual([["four running"], [undefined]]);
    await vm("four", "stop-requested", { destroy: false, force: true });
    expect([states(), graces()]).toEqual([[], [undefined, 0]]);
    driver.release("four");
    await vm("four", "stopped", { reason: "by command" });
    expect(graces()).toHaveLength(2);
  });

  it("is looked up by id, and a chassis wakes only the VMs on it", async () => {
    answer = async () => ({ ok: true, changed: true, seq: 0 });
    await happens("chassis/d", registeredChassis());
    const vmIds = Array.from({ length: 20 }, (_, i) => `many-${i}`);
    for (const [i, vmId] of vmIds.entries()) {
      await vm(vmId, "created", CREATED);
      await vm(vmId, "start-requested", { automatic: false });
      await vm(vmId, "placed", { chassisId: i < 3 ? "d" : "c", fence: 100 + i, allocation: ALLOCATION });
      await vm(vmId, "started", { fence: 100 + i });
    }
    lookUps.length = 0;
    await vm("many-7", "resized", { request: ALLOCATION, allocation: ALLOCATION });
    expect(lookUps.length).toBeGreaterThan(0);
    expect(lookUps.length).toBeLessThan(10);
    expect(new Set(lookUps)).toEqual(new Set(["many-7"]));
    lookUps.length = 0;
    await happens("chassis/d", { type: "bioxen.chassis.cordoned.v1", data: {} });
    expect(new Set(lookUps)).toEqual(new Set(["many-0", "many-1", "many-2"]));
    const lost = { fence: 100, chassisId: "d", code: "RESERVATION_EXPIRED", reason: "x" };
    await vm("many-0", "displaced", lost, 2);
    lookUps.length = 0;
    await happens("chassis/d", { type: "bioxen.chassis.uncordoned.v1", data: {} });
    expect(new Set(lookUps)).toEqual(new Set(["many-1", "many-2"]));
  });
});
