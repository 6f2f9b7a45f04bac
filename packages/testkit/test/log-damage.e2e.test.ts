/**
 * Further kinds of damage of the event log on a real server with file storage: a start on each is refused with a
 * sentence about what is lost, until an operator accepts the loss.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { EVENT_STREAM, eventSubject } from "@bioxen/contracts";
import { acceptLog, openEventLog } from "@bioxen/nats";
import { jetstream } from "@nats-io/jetstream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../src/index.ts";
import { DamagedLogWorld, type Watched } from "./damaged-log-world.ts";

let world: DamagedLogWorld;
beforeEach(async () => {
  world = await DamagedLogWorld.open();
});
afterEach(() => world.close());

describe("a start", () => {
  it("is refused when the end of acknowledged events is torn off", async () => {
    await world.servedWith(40);
    await world.damaged(() => world.tear(300));
    await world.refusedUntilAccepted(/acknowledged events are lost: event 40 was stored/, 40);
  });

  it("is refused when the last event cannot be read", async () => {
    await world.servedWith(20);
    await world.damaged(() => world.flip(20));
    await world.refusedUntilAccepted(/event 20 was stored, and the event log ends at 19/, 20);
  });

  it("is refused when the blocks at the beginning or in the middle are gone", async () => {
    const js = jetstream(world.bus.connection);
    const { guard } = await world.serve();
    for (let i = 0; i < 40; i += 1) await js.publish(eventSubject("vm", `v${i}`), new Uint8Array(600_000));
    await guard.end();
    await world.damaged(() => rm(world.block(2)));
    await world.refusedUntilAccepted(/^events 14 to 26 are missing in the event log/, 14);
    await world.damaged(() => rm(world.block(1)));
    await world.refusedUntilAccepted(/^events 1 to 13 are missing in the event log/, 1);
  });

  it("is refused when all events, or the stream with its files, are gone", async () => {
    await world.servedWith(5);
    await world.damaged(() => rm(join(world.block(), ".."), { recursive: true }));
    await world.refusedUntilAccepted(/acknowledged events are lost: events 1 to 5 were stored/, 1);
    await world.endGuards();
    await world.damaged(() => rm(join(world.block(), "..", ".."), { recursive: true }));
    await world.refusedUntilAccepted(/^the event log is gone: the log known here .* has 2 events/, 1);
  });

  it("repairs limits that have cost nothing, and refuses when they have cost events", async () => {
    await world.servedWith(10);
    const { streams } = world.jsm;
    await streams.update(EVENT_STREAM, { max_msgs: 1_000, discard: "old" as never });
    await world.serve();
    expect((await streams.info(EVENT_STREAM)).config).toMatchObject({ max_msgs: -1, discard: "new" });
    await streams.update(EVENT_STREAM, { max_msgs: 4, discard: "old" as never });
    await world.refusedUntilAccepted(
      /^events 1 to 6 are missing in the event log .*discard is "old".*max_msgs is 4/,
      1,
    );
  });
});

describe("a reader that meets a gap", () => {
  it("reports everything that a lowered limit has cost, once", async () => {
    const watched = await world.serve();
    await world.append(20);
    const limits = { max_msgs: 4, discard: "old" as never };
    await world.jsm.streams.update(EVENT_STREAM, limits);
    await Promise.all([watched.guard.reportGap(9, 16), watched.guard.reportGap(9, 16)]);
    watched.guard.begin(() => 8);
    expect(watched.losses).toMatchObject([
      {
        seq: 1,
        sentence: expect.stringMatching(/^events 1 to 16 are missing .*max_msgs is 4 instead of -1/),
      },
    ]);
  });
});

describe("a running service", () => {
  const lost = (watched: Watched) => eventually("the loss is noticed", () => watched.losses[0]);

  it("learns that the log was made again, and that a limit was lowered", async () => {
    const { streams } = world.jsm;
    const watched = await world.serve();
    await world.append(5);
    watched.guard.begin(() => 5);
    await streams.delete(EVENT_STREAM);
    await openEventLog(world.bus);
    expect(await lost(watched)).toMatchObject({
      sentence: expect.stringMatching(/^this is another event log/),
    });
    await acceptLog(world.place);
    const second = await world.serve();
    await world.append(5);
    second.guard.begin(() => 5);
    await streams.update(EVENT_STREAM, { max_msgs: 3, discard: "old" as never });
    expect(await lost(second)).toMatchObject({
      seq: 1,
      sentence: expect.stringMatching(/^events 1 to 2 are missing .*max_msgs is 3 instead of -1/),
    });
  });
});
