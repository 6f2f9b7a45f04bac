/**
 * When a reservation that nobody took expires.
 */
import { EventFeed, type LeaseListener, type ServicePorts } from "@bioxen/kernel";
import {
  appendNext,
  createdVm,
  FakeClock,
  idsInOrder,
  MemoryEventLog,
  registeredChassis,
} from "@bioxen/testkit";
import { expect, it } from "vitest";
import { MonotonicReservationTimer } from "./monotonic-reservation-timer.ts";
import { createAllocator, DEFAULT_START_DEADLINE_MS } from "./service.ts";

const HELD = { ribosomes: 10 };
const PROMISED_MS = DEFAULT_START_DEADLINE_MS;
const WHOLE_MS = PROMISED_MS + 10_000;

/** The allocator that settles, and a VM that waits and does not take its place; two clocks. */
async function waiting() {
  const [log, clock] = [new MemoryEventLog(), new FakeClock()];
  let monotonicMs = 0;
  const reserve = async () => {
    const reservations = [{ vmId: "v", incarnation: 1, amounts: HELD }];
    const data = { planId: "p", reservations, expiresAtMs: clock.nowMs() + PROMISED_MS };
    await appendNext(log, "ledger", "c", { type: "bioxen.ledger.reserved.v1", data });
  };
  const offered = { chassisType: "ecoli", capacity: HELD, offered: HELD, maxVms: 4 };
  await appendNext(log, "chassis", "c", registeredChassis());
  await appendNext(log, "ledger", "c", { type: "bioxen.ledger.opened.v1", data: offered });
  await appendNext(log, "vm", "v", createdVm());
  await appendNext(log, "vm", "v", { type: "bioxen.vm.start-requested.v1", data: { automatic: false } });
  const begin = async () => {
    const contend = (_: string, { onHeld }: LeaseListener) => {
      clock.after(0, () => onHeld(1));
      return { token: () => 1, surpass: () => {}, release: async () => {} };
    };
    const ids = idsInOrder();
    const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
    const ports = { log, clock, timers: clock, ids, leases: { contend }, logger } as unknown as ServicePorts;
    const allocator = createAllocator(ports, { monotonicMs: () => monotonicMs });
    const feed = new EventFeed(log, allocator.sinks, clock);
    await feed.start();
    allocator.begin(feed);
    await clock.advance(1);
  };
  const pass = async (ms: number) => {
    monotonicMs += ms;
    await clock.advance(ms);
  };
  const state = async () => (await log.read("bioxen.evt.ledger.c", 0)).at(-1)?.envelope.type.split(".")[2];
  return { reserve, begin, pass, state, setClockOn: (ms: number) => clock.advance(ms) };
}

it("expires when its time and the grace are over", async () => {
  const { reserve, begin, pass, state } = await waiting();
  await begin();
  await reserve();
  await pass(WHOLE_MS - 100);
  expect(await state()).toBe("reserved");
  await pass(200);
  expect(await state()).toBe("expired");
});

it("does not expire for a clock that was set, and has its time from there", async () => {
  const { reserve, begin, pass, state, setClockOn } = await waiting();
  await begin();
  await reserve();
  await setClockOn(190_000);
  expect(await state()).toBe("reserved");
  await pass(WHOLE_MS - 100);
  expect(await state()).toBe("reserved");
  await pass(200);
  expect(await state()).toBe("expired");
});

it("has its time once more where whoever watched it was started again", async () => {
  const { reserve, begin, pass, state } = await waiting();
  await reserve();
  await pass(WHOLE_MS);
  await begin();
  await pass(WHOLE_MS - 100);
  expect(await state()).toBe("reserved");
  await pass(200);
  expect(await state()).toBe("expired");
});

it("what has stood its time is forgotten, and stays what it is", () => {
  let nowMs = 0;
  const timer = new MonotonicReservationTimer(() => nowMs, 100);
  timer.observe(1);
  nowMs = 60;
  timer.observe(2);
  expect([timer.remainingMs(1), timer.remainingMs(2)]).toEqual([40, 100]);
  nowMs = 130;
  timer.observe(3);
  expect([timer.remainingMs(1), timer.remainingMs(2), timer.remainingMs(3)]).toEqual([0, 30, 100]);
});
