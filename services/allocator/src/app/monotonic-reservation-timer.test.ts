/**
 * When a reservation expires that its VM has not taken: wall clock and monotonic clock must both have passed its time.
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
import { EXPIRY_GRACE_MS } from "../domain/settlement.ts";
import { MonotonicReservationTimer } from "./monotonic-reservation-timer.ts";
import { createAllocator, DEFAULT_START_DEADLINE_MS } from "./service.ts";

const AMOUNTS = { ribosomes: 10 };
/** From the reservation to its expiry: the time that its VM has, and the grace. */
const EXPIRY_MS = DEFAULT_START_DEADLINE_MS + EXPIRY_GRACE_MS;

/** An allocator with the lease, a VM that waits and does not take its reservation, and two clocks. */
async function waitingVm() {
  const [log, clock] = [new MemoryEventLog(), new FakeClock()];
  let monotonicMs = 0;
  const reserve = async () => {
    const reservations = [{ vmId: "v", incarnation: 1, amounts: AMOUNTS }];
    const data = { planId: "p", reservations, expiresAtMs: clock.nowMs() + DEFAULT_START_DEADLINE_MS };
    await appendNext(log, "ledger", "c", { type: "bioxen.ledger.reserved.v1", data });
  };
  const offered = { chassisType: "ecoli", capacity: AMOUNTS, offered: AMOUNTS, maxVms: 4 };
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
  return { reserve, begin, pass, state, setWallClockForward: (ms: number) => clock.advance(ms) };
}

it("expires after its time and the grace", async () => {
  const { reserve, begin, pass, state } = await waitingVm();
  await begin();
  await reserve();
  await pass(EXPIRY_MS - 100);
  expect(await state()).toBe("reserved");
  await pass(200);
  expect(await state()).toBe("expired");
});

it("does not expire because the wall clock was set, and keeps its whole time", async () => {
  const { reserve, begin, pass, state, setWallClockForward } = await waitingVm();
  await begin();
  await reserve();
  await setWallClockForward(190_000);
  expect(await state()).toBe("reserved");
  await pass(EXPIRY_MS - 100);
  expect(await state()).toBe("reserved");
  await pass(200);
  expect(await state()).toBe("expired");
});

it("has its whole time again after the allocator restarted", async () => {
  const { reserve, begin, pass, state } = await waitingVm();
  await reserve();
  await pass(EXPIRY_MS);
  await begin();
  await pass(EXPIRY_MS - 100);
  expect(await state()).toBe("reserved");
  await pass(200);
  expect(await state()).toBe("expired");
});

it("forgets a timer that has run out, and still reports no time left for it", () => {
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
