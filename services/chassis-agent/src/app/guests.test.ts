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
  MemoryEventLog,
  registeredChassis,
  settle,
} from "@bioxen/testkit";
import { createScriptedDriver } from "@bioxen/vm-driver";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Drivers } from "./drivers.ts";
import { GuestActions } from "./guest-actions.ts";
import { GuestStates } from "./guest-states.ts";
import { GuestView } from "./guest-view.ts";
import { Guests } from "./guests.ts";
import { Reports } from "./reports.ts";

const ALLOCATION = { dnaKilobases: 5, ribosomes: 100 };
const CREATED = createdVm({ request: ALLOCATION }).data;
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

describe("a guest whose start cannot be reported", () => {
  const log = new MemoryEventLog();
  const seqs = new Map<string, { version: number; seq: number }>();
  let answer: () => Promise<Reply>;
  let calls: number;
  let isHolding: boolean;
  let clock: FakeClock;
  let driver: ReturnType<typeof createScriptedDriver>;
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
  const states = () => driver.list().map(({ vmId, state }) => `${vmId} ${state}`);

  beforeEach(async () => {
    [calls, isHolding] = [0, false];
    clock = new FakeClock();
    driver = createScriptedDriver({});
    const bus = {
      call: () => {
        calls += 1;
        return answer();
      },
    };
    const world = { log, clock, timers: clock, ids: idsInOrder("agent"), bus, logger: silent };
    // Only the ports that guests use; the bus and the logger are partial.
    const ports = { ...world, tracer: UNTRACED, blobs: new MemoryBlobs(clock) } as unknown as ServicePorts;
    const drivers = new Drivers([driver]);
    const view = new GuestView("a", () => isHolding);
    const states = new GuestStates(ports, drivers, view);
    const reports = new Reports(ports, view.vms);
    const actions = new GuestActions({ ports, view, states, reports, onStarted: () => undefined });
    guests = new Guests({ ports, drivers, view, actions, reports, drift: "repair" });
    const feed = new EventFeed(log, [view.vms, view.chassis], clock);
    await feed.start();
    guests.begin(feed);
  });
  afterEach(() => void guests.end());

  const starts = async (vmId: string) => {
    if (!seqs.has("chassis/c")) await happens("chassis/c", registeredChassis());
    await vm(vmId, "created", CREATED);
    await vm(vmId, "start-requested", { automatic: false });
    await vm(vmId, "placed", { chassisId: "c", fence: 9, allocation: ALLOCATION });
    expect(states()).toEqual([`${vmId} running`]);
    expect(calls).toBeGreaterThan(0);
  };

  it("is ended at once when its VM loses the reservation, without waiting for the answer to the report", async () => {
    answer = () => new Promise(() => undefined);
    await starts("one");
    const lost = { fence: 9, chassisId: "c", code: "RESERVATION_EXPIRED", reason: "x" };
    await vm("one", "displaced", lost, 2);
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
  });
});
