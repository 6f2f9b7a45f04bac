/**
 * The part of the conformance suite about checkpoints: taking one, and starting or restarting a guest from one.
 */
import { expect, it } from "vitest";
import { capIn, type Fixture, LACKS, live as pass, refused, states } from "./conformance-fixture.ts";
import type { VmDriver } from "./driver.ts";
import { MAX_CHECKPOINT_BYTES } from "./guest-checkpoint.ts";

export function checkpoints({ driver, start, subject }: Fixture): void {
  it("takes a checkpoint of a running and of a paused guest without changing either, or is UNSUPPORTED", async () => {
    await start("cell-a", 10);
    if (!driver().capabilities.snapshot) {
      await refused(driver().snapshot("cell-a", 10), "UNSUPPORTED");
      const checkpoint = new Uint8Array([1]);
      const code = driver().snapshots === undefined ? "UNSUPPORTED" : "BAD_REQUEST";
      await refused(driver().start({ ...subject().spec("cell-b", 11), checkpoint }), code);
      return;
    }
    await pass(driver(), 10_000);
    const { bytes, simMinutes } = await driver().snapshot("cell-a", 10);
    expect(bytes.length).toBeLessThanOrEqual(MAX_CHECKPOINT_BYTES);
    expect(simMinutes).toBe(Math.floor(driver().sample("cell-a")?.simMinutes ?? -1));
    expect(await driver().snapshot("cell-a", 10), "the same moment").toEqual({ bytes, simMinutes });
    if (!driver().capabilities.pause) return;
    await driver().pause("cell-a", 10);
    expect(await driver().snapshot("cell-a", 10)).toEqual({ bytes, simMinutes });
    expect(states(driver())).toEqual({ "cell-a": "paused@10" });
  });

  it("takes a checkpoint only of the guest with the given fence", async ({ skip }) => {
    skip(!driver().capabilities.snapshot, LACKS);
    await start("cell-a", 10);
    await refused(driver().snapshot("cell-a", 9), "STALE_FENCE");
    await refused(driver().snapshot("cell-a", 11), "GUEST_NOT_FOUND");
    await refused(driver().snapshot("cell-x", 10), "GUEST_NOT_FOUND");
    await driver().stop("cell-a", 10);
    await refused(driver().snapshot("cell-a", 10), "GUEST_NOT_FOUND");
  });
}

export function goingOn({ driver, start, subject, another }: Fixture): void {
  /**
   * Advances the driver's clock in uneven steps, so that the checkpoint must contain the time since the last quantum.
   */
  const live = async (which: VmDriver): Promise<void> => {
    for (let i = 0; i < 7; i += 1) await pass(which, 9_700);
  };
  const goOn = (which: VmDriver, fence: number, checkpoint: Uint8Array) =>
    which.start({ ...subject().spec("cell-a", fence), checkpoint });

  it("a guest that starts from a checkpoint continues bit for bit like an uninterrupted one, on any driver", async ({
    skip,
  }) => {
    skip(!driver().capabilities.snapshot, LACKS);
    await start("cell-a", 10);
    await live(driver());
    const { bytes, simMinutes } = await driver().snapshot("cell-a", 10);
    if (driver().capabilities.clock === "host") expect(simMinutes).toBeGreaterThan(0);
    await live(driver());
    const uninterrupted = { sample: driver().sample("cell-a"), next: await driver().snapshot("cell-a", 10) };
    await driver().stop("cell-a", 10);
    const elsewhere = await another();
    for (const each of [driver(), elsewhere]) {
      await goOn(each, 11, bytes);
      expect(states(each)).toEqual({ "cell-a": "running@11" });
      if (each.capabilities.clock !== "host") continue;
      expect(each.sample("cell-a")?.simMinutes).toBeGreaterThanOrEqual(simMinutes);
      await live(each);
      expect({ sample: each.sample("cell-a"), next: await each.snapshot("cell-a", 11) }).toEqual(
        uninterrupted,
      );
    }
  });

  it("rejects malformed and foreign checkpoints, and leaves no guest behind", async ({ skip }) => {
    skip(!driver().capabilities.snapshot, LACKS);
    await start("cell-b", 5);
    const { bytes } = await driver().snapshot("cell-b", 5);
    const text = new TextEncoder();
    const bad = [
      new Uint8Array(0),
      bytes.subarray(0, bytes.length - 1),
      text.encode("{}"),
      text.encode("null"),
    ];
    for (const checkpoint of bad) await refused(goOn(driver(), 10, checkpoint), "BAD_REQUEST");
    await refused(goOn(driver(), 10, new Uint8Array(MAX_CHECKPOINT_BYTES + 1)), "TOO_LARGE");
    expect(states(driver())).toEqual({ "cell-b": "running@5" });
    await goOn(driver(), 10, bytes);
    const foreign = { ...subject().spec("cell-a", 12), biologicalType: "no-such-type", checkpoint: bytes };
    await refused(driver().start(foreign), "BAD_REQUEST");
    expect(states(driver()), "the present guest stays").toEqual({
      "cell-a": "running@10",
      "cell-b": "running@5",
    });
  });

  it("restarts a guest in place as often as requested, and keeps it paused", async () => {
    const back = (checkpoint: Uint8Array | undefined, fence = 10) =>
      driver().restart({ ...subject().spec("cell-a", fence), checkpoint });
    if (!driver().capabilities.snapshot) {
      if (driver().snapshots !== undefined) return;
      await start("cell-a", 10);
      await refused(back(undefined), "UNSUPPORTED");
      return;
    }
    await refused(back(undefined), "GUEST_NOT_FOUND");
    await start("cell-a", 10);
    await live(driver());
    const { bytes } = await driver().snapshot("cell-a", 10);
    const then = driver().sample("cell-a");
    await live(driver());
    await refused(back(bytes, 9), "STALE_FENCE");
    await refused(back(bytes.subarray(1)), "BAD_REQUEST");
    expect(driver().sample("cell-a"), "a rejected call changes nothing").not.toEqual(then);
    for (let i = 0; i < 2; i += 1) {
      await back(bytes);
      expect(driver().sample("cell-a")).toEqual(then);
      await live(driver());
    }
    if (driver().capabilities.pause) {
      await driver().pause("cell-a", 10);
      await back(bytes);
      await live(driver());
      expect(driver().sample("cell-a")).toEqual(then);
      expect(states(driver())).toEqual({ "cell-a": "paused@10" });
    }
    await back(undefined);
    expect(driver().sample("cell-a")?.simMinutes, "without a checkpoint the guest starts from minute 0").toBe(
      0,
    );
    await driver().stop("cell-a", 10);
    expect(driver().list()).toEqual([]);
  });

  it("a stop during a restart leaves no guest", async ({ skip }) => {
    skip(!driver().capabilities.snapshot, LACKS);
    await start("cell-a", 10);
    const { bytes } = await driver().snapshot("cell-a", 10);
    const restarting = driver()
      .restart({ ...subject().spec("cell-a", 10), checkpoint: bytes })
      .catch(() => {});
    await driver().stop("cell-a", 10);
    await restarting;
    expect(driver().list()).toEqual([]);
  });

  it("a start from a checkpoint obeys the fences", async ({ skip }) => {
    skip(!driver().capabilities.snapshot, LACKS);
    await start("cell-a", 10);
    await pass(driver(), 5_000);
    const { bytes } = await driver().snapshot("cell-a", 10);
    await pass(driver(), 5_000);
    const before = driver().sample("cell-a");
    await goOn(driver(), 10, bytes);
    expect(driver().sample("cell-a"), "the same fence changes nothing").toEqual(before);
    await refused(goOn(driver(), 9, bytes), "STALE_FENCE");
    await goOn(driver(), 11, bytes);
    expect(driver().sample("cell-a"), "a newer fence replaces the guest").not.toEqual(before);
    await driver().stop("cell-a", 11);
    await refused(goOn(driver(), 11, bytes), "STALE_FENCE");
  });

  it("uses the allocation of the spec, and continues from the same state with another seed", async ({
    skip,
  }) => {
    skip(!driver().capabilities.snapshot, LACKS);
    await start("cell-a", 10);
    await live(driver());
    const { bytes } = await driver().snapshot("cell-a", 10);
    const before = driver().sample("cell-a");
    const spec = subject().spec("cell-b", 11);
    await driver().start({ ...spec, seed: spec.seed + 1, checkpoint: bytes });
    expect(driver().sample("cell-b")).toEqual(before);
    const half = Object.fromEntries(
      Object.entries(spec.allocation).map(([name, n]) => [name, Math.floor(n / 2)]),
    );
    await driver().start({ ...subject().spec("cell-c", 12), allocation: half, checkpoint: bytes });
    for (const resource of driver().capabilities.meters) {
      expect(capIn(driver().sample("cell-c"), resource), resource).toBe(half[resource]);
    }
  });
}
