/**
 * A guest that must not run does not, whoever can be told of anything at that moment.
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
import { Guests } from "./guests.ts";

const HELD = { dnaKilobases: 5, ribosomes: 100 };
const CREATED = createdVm({ request: HELD }).data;
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

describe("a guest whose start nobody can be told of", () => {
  const log = new MemoryEventLog();
  const seqs = new Map<string, { version: number; seq: number }>();
  let answer: () => Promise<Reply>;
  let asked: number;
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
    if (appended.kind !== "appended") throw new Error("it is appended");
    seqs.set(subject, { version, seq: appended.seq });
    await settle();
  };
  const vm = (id: string, type: string, data: object, version = 1) =>
    happens(`vm/${id}`, { type: `bioxen.vm.${type}.v${version}`, data } as VmEvent);
  const states = () => driver.list().map(({ vmId, state }) => `${vmId} ${state}`);

  beforeEach(async () => {
    [asked, isHolding] = [0, false];
    clock = new FakeClock();
    driver = createScriptedDriver({});
    const bus = {
      call: () => {
        asked += 1;
        return answer();
      },
    };
    const world = { log, clock, timers: clock, ids: idsInOrder("agent"), bus, logger: silent };
    const ports = { ...world, tracer: UNTRACED, blobs: new MemoryBlobs(clock) } as unknown as ServicePorts;
    guests = new Guests(
      ports,
      "a",
      new Drivers([driver]),
      () => undefined,
      () => isHolding,
      "repair",
    );
    const feed = new EventFeed(log, [guests.vms, guests.chassis], clock);
    await feed.start();
    guests.begin(feed);
  });
  afterEach(() => void guests.end());

  const starts = async (vmId: string) => {
    if (!seqs.has("chassis/c")) await happens("chassis/c", registeredChassis());
    await vm(vmId, "created", CREATED);
    await vm(vmId, "start-requested", { automatic: false });
    await vm(vmId, "placed", { chassisId: "c", fence: 9, allocation: HELD });
    expect(states()).toEqual([`${vmId} running`]);
    expect(asked).toBeGreaterThan(0);
  };

  it("is ended at once when its VM has lost the place, while an answer is still waited for", async () => {
    answer = () => new Promise(() => undefined);
    await starts("one");
    const lost = { fence: 9, chassisId: "c", code: "RESERVATION_EXPIRED", reason: "x" };
    await vm("one", "displaced", lost, 2);
    expect(states()).toEqual([]);
    const before = asked;
    await clock.advance(60_000);
    expect(asked, "what is of no use is not told again").toBe(before);
  });

  it("is held when the log is out of reach", async () => {
    answer = () => Promise.reject(new Fault("UNAVAILABLE", "nobody serves it", { retryable: true }));
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
