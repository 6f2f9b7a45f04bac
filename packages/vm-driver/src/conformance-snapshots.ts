/**
 * The part of the conformance suite about snapshots that stay with their guests.
 */
import { expect, it } from "vitest";
import { type Fixture, refused, states } from "./conformance-fixture.ts";

export function keptSnapshots({ driver, start, subject, another }: Fixture): void {
  const names = () =>
    driver()
      .snapshots?.list()
      .map(({ vmId, name }) => `${vmId} ${name}`);
  const back = (fence: number, checkpoint: Uint8Array | undefined, restores: number) =>
    driver().restart({ ...subject().spec("cell-a", fence), checkpoint, restores });

  it("a snapshot is taken once under its name, changes nothing, and goes when it is dropped", async () => {
    const { snapshots, capabilities } = driver();
    if (snapshots === undefined) return;
    expect(capabilities.snapshot, "one way only").toBe(false);
    await start("cell-a", 10);
    const { bytes } = await snapshots.take("cell-a", 10, "one");
    expect((await snapshots.take("cell-a", 10, "one")).bytes).toEqual(bytes);
    await driver().pause("cell-a", 10);
    await snapshots.take("cell-a", 10, "two");
    expect(states(driver())).toEqual({ "cell-a": "paused@10" });
    expect(names()?.sort()).toEqual(["cell-a one", "cell-a two"]);
    for (let i = 0; i < 2; i += 1) await snapshots.drop("cell-a", "one");
    await snapshots.drop("cell-x", "one");
    expect(names()).toEqual(["cell-a two"]);
    await driver().stop("cell-a", 10);
    expect(names(), "a stop keeps it").toEqual(["cell-a two"]);
    await driver().discard("cell-a", 1);
    expect(names()).toEqual([]);
  });

  it("is taken of the guest that is meant, or of none", async () => {
    const { snapshots } = driver();
    if (snapshots === undefined) return;
    await start("cell-a", 10);
    await refused(snapshots.take("cell-a", 9, "one"), "STALE_FENCE");
    await refused(snapshots.take("cell-x", 10, "one"), "GUEST_NOT_FOUND");
    await driver().stop("cell-a", 10);
    await refused(snapshots.take("cell-a", 10, "one"), "GUEST_NOT_FOUND");
    expect(names()).toEqual([]);
  });

  it("a guest is set back in its place, stays paused, and is on the course it was told", async () => {
    const { snapshots } = driver();
    if (snapshots === undefined) return;
    await refused(back(10, undefined, 1), "GUEST_NOT_FOUND");
    await start("cell-a", 10);
    const course = () => driver().list()[0]?.restores;
    expect(course()).toBe(0);
    const { bytes } = await snapshots.take("cell-a", 10, "one");
    await refused(back(9, bytes, 1), "STALE_FENCE");
    for (const bad of [new Uint8Array(0), new TextEncoder().encode("{}"), new TextEncoder().encode("null")]) {
      await refused(back(10, bad, 1), "BAD_REQUEST");
    }
    expect(course(), "what is refused changes nothing").toBe(0);
    await back(10, bytes, 1);
    expect([states(driver()), course()]).toEqual([{ "cell-a": "running@10" }, 1]);
    await driver().pause("cell-a", 10);
    await back(10, bytes, 2);
    expect([states(driver()), course()]).toEqual([{ "cell-a": "paused@10" }, 2]);
    await back(10, undefined, 3);
    expect([states(driver()), course()], "without one it is left as it is").toEqual([
      { "cell-a": "paused@10" },
      3,
    ]);
    await driver().resume("cell-a", 10);
    expect(states(driver())).toEqual({ "cell-a": "running@10" });
  });

  it("a start goes back to one, on a new place too, and refuses one that is gone", async () => {
    const { snapshots } = driver();
    if (snapshots === undefined) return;
    await start("cell-a", 10);
    const { bytes } = await snapshots.take("cell-a", 10, "one");
    await driver().stop("cell-a", 10);
    const begin = (vmId: string, fence: number, restores: number) =>
      driver().start({ ...subject().spec(vmId, fence), checkpoint: bytes, restores });
    await refused(begin("cell-b", 11, 1), "BAD_REQUEST");
    await begin("cell-a", 12, 1);
    expect(driver().list()).toEqual([{ vmId: "cell-a", fence: 12, restores: 1, state: "running" }]);
    await snapshots.drop("cell-a", "one");
    await refused(begin("cell-a", 13, 2), "BAD_REQUEST");
    expect(states(driver()), "the guest that was here stays").toEqual({ "cell-a": "running@12" });
    await begin("cell-a", 13, 1);
    expect(states(driver()), "it is there already").toEqual({ "cell-a": "running@13" });
  });

  it("a driver that begins later has none before it is ready", async () => {
    if (driver().snapshots === undefined) return;
    const other = await another();
    await other.close();
    expect(other.snapshots?.list()).toEqual([]);
  });
}
