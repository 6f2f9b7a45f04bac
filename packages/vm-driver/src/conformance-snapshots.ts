/**
 * The part of the conformance suite about snapshots that are stored with their guest.
 */
import { expect, it } from "vitest";
import { type Fixture, LACKS, refused, states } from "./conformance-fixture.ts";

export function keptSnapshots({ driver, start, subject, another }: Fixture): void {
  const names = () =>
    driver()
      .snapshots?.list()
      .map(({ vmId, name }) => `${vmId} ${name}`);
  const back = (fence: number, checkpoint: Uint8Array | undefined, restores: number) =>
    driver().restart({ ...subject().spec("cell-a", fence), checkpoint, restores });

  it("takes one snapshot per name without changing the guest, and removes it on drop", async ({ skip }) => {
    const { snapshots, capabilities } = driver();
    if (snapshots === undefined) return skip(LACKS);
    expect(capabilities.snapshot, "a driver has transferable checkpoints or kept snapshots, not both").toBe(
      false,
    );
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

  it("takes a snapshot only of the guest with the given fence", async ({ skip }) => {
    const { snapshots } = driver();
    if (snapshots === undefined) return skip(LACKS);
    await start("cell-a", 10);
    await refused(snapshots.take("cell-a", 9, "one"), "STALE_FENCE");
    await refused(snapshots.take("cell-x", 10, "one"), "GUEST_NOT_FOUND");
    await driver().stop("cell-a", 10);
    await refused(snapshots.take("cell-a", 10, "one"), "GUEST_NOT_FOUND");
    expect(names()).toEqual([]);
  });

  it("restarts a guest in place, keeps it paused, and reports the given restore count", async ({ skip }) => {
    const { snapshots } = driver();
    if (snapshots === undefined) return skip(LACKS);
    await refused(back(10, undefined, 1), "GUEST_NOT_FOUND");
    await start("cell-a", 10);
    const course = () => driver().list()[0]?.restores;
    expect(course()).toBe(0);
    const { bytes } = await snapshots.take("cell-a", 10, "one");
    await refused(back(9, bytes, 1), "STALE_FENCE");
    for (const bad of [new Uint8Array(0), new TextEncoder().encode("{}"), new TextEncoder().encode("null")]) {
      await refused(back(10, bad, 1), "BAD_REQUEST");
    }
    expect(course(), "a rejected call changes nothing").toBe(0);
    await back(10, bytes, 1);
    expect([states(driver()), course()]).toEqual([{ "cell-a": "running@10" }, 1]);
    await driver().pause("cell-a", 10);
    await back(10, bytes, 2);
    expect([states(driver()), course()]).toEqual([{ "cell-a": "paused@10" }, 2]);
    await back(10, undefined, 3);
    expect([states(driver()), course()], "without a snapshot the guest is unchanged").toEqual([
      { "cell-a": "paused@10" },
      3,
    ]);
    await driver().resume("cell-a", 10);
    expect(states(driver())).toEqual({ "cell-a": "running@10" });
  });

  it("starts from a snapshot, also under a new fence, and rejects a dropped one", async ({ skip }) => {
    const { snapshots } = driver();
    if (snapshots === undefined) return skip(LACKS);
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
    expect(states(driver()), "the present guest stays").toEqual({ "cell-a": "running@12" });
    await begin("cell-a", 13, 1);
    expect(states(driver()), "an already restored guest is unchanged").toEqual({ "cell-a": "running@13" });
  });

  it("a new driver lists no snapshots before it is ready", async ({ skip }) => {
    skip(driver().snapshots === undefined, LACKS);
    const other = await another();
    await other.close();
    expect(other.snapshots?.list()).toEqual([]);
  });
}
