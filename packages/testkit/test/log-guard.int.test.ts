/**
 * Damage of the event log on a real server with file storage: it is found at the next start and while a service runs.
 * The other kinds of damage are in log-damage.e2e.test.ts.
 */
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { EVENT_STREAM } from "@bioxen/contracts";
import { acceptLog, openOutcomes } from "@bioxen/nats";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../src/index.ts";
import { DamagedLogWorld, type Watched } from "./damaged-log-world.ts";

let world: DamagedLogWorld;
beforeEach(async () => {
  world = await DamagedLogWorld.open();
});
afterEach(() => world.close());

describe("a start", () => {
  it.each(["shutDown", "kill"] as const)(
    "comes up by itself after a torn end that was never acknowledged (%s)",
    async (how) => {
      await world.servedWith(39);
      await world.append(1);
      await world.damaged(() => world.tear(100), how);
      const first = await world.serve();
      expect(await world.readAll(first.guard)).toBe(39);
      await world.append(3);
      await first.guard.end();
      const second = await world.serve();
      expect(await world.readAll(second.guard)).toBe(how === "kill" ? 42 : 43);
      expect(second.guard.missing).toEqual(how === "kill" ? [] : [[40, 40]]);
    },
  );

  it("is refused when a flipped byte has cost the rest of a block", async () => {
    await world.servedWith(20);
    await world.damaged(() => world.flip(5), "kill");
    await world.refusedUntilAccepted(
      /acknowledged events are lost: events 5 to 20 were stored, and the event log ends at 4/,
      5,
    );
  });

  it("stops at an event that a flipped byte has made unreadable, and names it", async () => {
    await world.servedWith(20);
    await world.damaged(() => world.flip(5));
    const { guard } = await world.serve();
    await expect(world.readAll(guard)).rejects.toMatchObject({
      message: "event 5 is missing in the event log",
      from: 5,
    });
    expect((await acceptLog(world.place))?.problem).toBe("event 5 is missing in the event log");
    const accepted = await world.serve();
    expect(await world.readAll(accepted.guard)).toBe(20);
    await accepted.guard.end();
    const later = await world.serve();
    expect(later.guard.missing).toEqual([[5, 5]]);
    expect(await world.readAll(later.guard)).toBe(20);
  });

  it("is refused when the whole store is an older one, by the record outside of it", async () => {
    await world.servedWith(10);
    const backup = join(world.server.storeDir, "..", "backup");
    await world.damaged(() => cp(world.server.storeDir, backup, { recursive: true }));
    await world.servedWith(5);
    await world.damaged(async () => {
      await rm(world.server.storeDir, { recursive: true });
      await cp(backup, world.server.storeDir, { recursive: true });
    });
    await world.refusedUntilAccepted(/events 11 to 15 were stored, and the event log ends at 10/, 11);
  });
});

describe("an accepted loss", () => {
  it("makes a repeated command count as new, because its event may be lost", async () => {
    await world.servedWith(5);
    const outcomes = await openOutcomes(world.bus);
    let carriedOut = 0;
    const once = () =>
      outcomes.once("a command", async () => {
        carriedOut += 1;
        return { ok: true, result: { carriedOut } };
      });
    await once();
    expect(await once()).toEqual({ ok: true, result: { carriedOut: 1 } });
    expect(await acceptLog(world.place)).toBeUndefined();
    expect(await once()).toEqual({ ok: true, result: { carriedOut: 1 } });
    await world.jsm.streams.delete(EVENT_STREAM);
    expect((await acceptLog(world.place))?.problem).toMatch(/the event log is gone/);
    expect(await once()).toEqual({ ok: true, result: { carriedOut: 2 } });
  });
});

describe("a running service", () => {
  const lost = (watched: Watched) => eventually("the loss is noticed", () => watched.losses[0]);

  it("learns that the log was deleted", async () => {
    const watched = await world.serve();
    await world.append(5);
    watched.guard.begin(() => 5);
    await world.jsm.streams.delete(EVENT_STREAM);
    expect(await lost(watched)).toMatchObject({ sentence: expect.stringMatching(/^the event log is gone/) });
  });

  it("repairs a limit that has cost nothing, and says so first", async () => {
    const watched = await world.serve();
    await world.append(5);
    watched.guard.begin(() => 5);
    const { streams } = world.jsm;
    await streams.update(EVENT_STREAM, { max_age: 3_600_000_000_000 });
    await eventually("the limit is repaired", async () =>
      (await streams.info(EVENT_STREAM)).config.max_age === 0 ? true : undefined,
    );
    expect(watched.drifts).toEqual(["max_age is 3600000000000 instead of 0"]);
    expect(watched.losses).toEqual([]);
  });
});
