/**
 * The part of the conformance suite about changes of a guest at minutes of its simulated time.
 */
import { expect, it } from "vitest";
import { capIn, type Fixture, LACKS, live, refused } from "./conformance-fixture.ts";
import type { VmDriver } from "./driver.ts";

/** Longer than a test: the change of the minute ends the wait. */
const HOLD_MS = 60_000;

export function changesAtMinutes({ driver, start, subject, another }: Fixture): void {
  const half = () =>
    Object.fromEntries(
      Object.entries(subject().spec("cell-a", 10).allocation).map(([name, n]) => [name, Math.floor(n / 2)]),
    );
  const expectCaps = (which: VmDriver, allocation: Readonly<Record<string, number>>) => {
    for (const resource of which.capabilities.meters) {
      expect(capIn(which.sample("cell-a"), resource), resource).toBe(allocation[resource]);
    }
  };
  const full = () => subject().spec("cell-a", 10).allocation;

  it("has both verbs, or neither", () => {
    expect(driver().change === undefined).toBe(driver().hold === undefined);
  });

  it("lets an allocation act at the minute that it has named, once, and at no minute that has passed", async ({
    skip,
  }) => {
    skip(driver().hold === undefined, LACKS);
    await start("cell-a", 10);
    await live(driver(), 10_000);
    const at = await driver().hold?.("cell-a", 10, { forMs: HOLD_MS });
    const simMinute = at?.simMinute ?? -1;
    expect(simMinute).toBe(Math.floor(driver().sample("cell-a")?.simMinutes ?? -2));
    const change = { seq: 5, simMinute, allocation: half() };
    await driver().change?.("cell-a", 10, change);
    await live(driver(), 10_000);
    expectCaps(driver(), half());
    const minutes = driver().sample("cell-a")?.simMinutes ?? 0;
    expect(minutes).toBeGreaterThan(simMinute);
    await driver().change?.("cell-a", 10, { ...change, allocation: full() });
    expectCaps(driver(), half());
    const late = { ...change, seq: 6, allocation: full() };
    await refused(driver().change?.("cell-a", 10, late) ?? Promise.resolve(), "INVALID_STATE");
    const past = driver().hold?.("cell-a", 10, { atMinute: simMinute, forMs: HOLD_MS });
    await refused(past ?? Promise.resolve(), "BAD_REQUEST");
    await refused(driver().change?.("cell-a", 9, late) ?? Promise.resolve(), "STALE_FENCE");
  });

  it("lets a coming allocation act, unless a resize ends it", async ({ skip }) => {
    skip(driver().hold === undefined || !driver().capabilities.liveResize, LACKS);
    for (const [fence, endsChanges] of [
      [10, false],
      [11, true],
    ] as const) {
      await start("cell-a", fence);
      await driver().change?.("cell-a", fence, { seq: 5, simMinute: 3, allocation: half() });
      expectCaps(driver(), full());
      await driver().resize("cell-a", fence, full(), { endsChanges });
      await live(driver(), 10_000);
      expect(driver().sample("cell-a")?.simMinutes).toBeGreaterThan(3);
      expectCaps(driver(), endsChanges ? full() : half());
    }
  });

  it("starts a guest with the allocations of its changes that have acted", async ({ skip }) => {
    skip(driver().hold === undefined || !driver().capabilities.snapshot, LACKS);
    const changes = [{ seq: 5, simMinute: 0, allocation: half() }];
    await driver().start({ ...subject().spec("cell-a", 10), changes });
    await live(driver(), 10_000);
    expectCaps(driver(), half());
    const { bytes, simMinutes } = await driver().snapshot("cell-a", 10);
    const here = [...changes, { seq: 6, simMinute: simMinutes, allocation: full() }];
    for (const [given, caps] of [
      [changes, half()],
      [here, full()],
    ] as const) {
      const elsewhere = await another();
      await elsewhere.start({ ...subject().spec("cell-a", 10), checkpoint: bytes, changes: given });
      await live(elsewhere, 10_000);
      expectCaps(elsewhere, caps);
    }
  });
}
