/**
 * The part of the conformance suite about the last minute of a guest.
 */
import { expect, it } from "vitest";
import { type Fixture, LACKS, live } from "./conformance-fixture.ts";

const LAST_MINUTE = 7;

export function lastMinute({ driver, subject, another }: Fixture): void {
  it("keeps a guest at exactly its last minute, and tells once, until a resume lets it pass", async ({
    skip,
  }) => {
    skip(driver().capabilities.lastMinute !== true || !driver().capabilities.pause, LACKS);
    const changed: string[] = [];
    driver().onGuestEvent((event) => {
      if (event.kind === "changed") changed.push(event.vmId);
    });
    await driver().start({ ...subject().spec("cell-a", 10), lastMinute: LAST_MINUTE });
    await driver().start(subject().spec("cell-b", 11));
    await live(driver(), 3_000);
    const endOf = () => driver().list()[0]?.atLastMinute;
    const minuteOf = (vmId: string) => driver().sample(vmId)?.simMinutes ?? -1;
    expect(endOf()).toBeUndefined();
    for (let tick = 0; tick < 4; tick += 1) await live(driver(), 5_000);
    expect(minuteOf("cell-a")).toBe(LAST_MINUTE);
    expect(minuteOf("cell-b")).toBeGreaterThan(LAST_MINUTE);
    expect([endOf(), ...changed]).toEqual([true, "cell-a"]);
    await driver().pause("cell-a", 10);
    await driver().resume("cell-a", 10);
    await live(driver(), 5_000);
    expect([minuteOf("cell-a"), endOf()]).toEqual([LAST_MINUTE, true]);
    await driver().resume("cell-a", 10, { beyondLastMinute: true });
    expect(endOf()).toBeUndefined();
    await live(driver(), 5_000);
    expect(minuteOf("cell-a")).toBeGreaterThan(LAST_MINUTE);
  });

  it("keeps a guest there that continues from a state of before, or of this minute", async ({ skip }) => {
    const { capabilities } = driver();
    skip(capabilities.lastMinute !== true || !capabilities.snapshot, LACKS);
    const spec = { ...subject().spec("cell-a", 10), lastMinute: LAST_MINUTE };
    await driver().start(spec);
    for (const elapsedMs of [3_000, 20_000]) {
      await live(driver(), elapsedMs);
      const { bytes } = await driver().snapshot("cell-a", 10);
      const elsewhere = await another();
      await elsewhere.start({ ...spec, checkpoint: bytes });
      await live(elsewhere, 20_000);
      expect(elsewhere.sample("cell-a")?.simMinutes).toBe(LAST_MINUTE);
      expect(elsewhere.list()[0]?.atLastMinute).toBe(true);
    }
  });
}
