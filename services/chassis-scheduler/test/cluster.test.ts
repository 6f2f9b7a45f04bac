/**
 * The picture that was kept with the events is the one that is made out of the states at once.
 */
import { readFileSync } from "node:fs";
import { decodeEvent } from "@bioxen/contracts";
import type { EventFeed, ServicePorts, StoredEvent } from "@bioxen/kernel";
import { FakeClock } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { Cluster } from "../src/app/cluster.ts";

const events = readFileSync(new URL("../../../test/data/log-v1.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as { seq: number; subject: string; payload: string })
  .map(({ seq, subject, payload }) => decodeEvent(new TextEncoder().encode(payload), seq, subject));

/** A cluster and what brings it events: to its folds, then to whoever listens. */
function cluster() {
  const clock = new FakeClock();
  const made = new Cluster({ clock, timers: clock } as unknown as ServicePorts, () => clock.nowMs(), 10_000);
  let hear: (event: StoredEvent) => void = () => undefined;
  const onEvent = (listener: typeof hear) => {
    hear = listener;
  };
  const feed = { onEvent } as unknown as EventFeed;
  const apply = (event: StoredEvent) => {
    for (const sink of [made.chassis, made.vms, made.ledgers]) {
      if (event.envelope.subject.startsWith(`${sink.kind}/`)) sink.apply(event);
    }
    hear(event);
  };
  return { made, apply, begin: () => made.begin(feed) };
}

const pictureOf = (made: Cluster) => ({
  rooms: made.rooms(),
  waiting: made.waiting().sort((a, b) => (a.vmId < b.vmId ? -1 : 1)),
});

it("at every event of a recorded log", () => {
  const kept = cluster();
  kept.begin();
  let [waited, hosts] = [0, 0];
  for (const [i, event] of events.entries()) {
    kept.apply(event);
    // Every seventh: each comparison folds the whole log so far again.
    if (i % 7 > 0) continue;
    const again = cluster();
    for (const earlier of events.slice(0, i + 1)) again.apply(earlier);
    again.begin();
    const picture = pictureOf(kept.made);
    expect(picture).toEqual(pictureOf(again.made));
    waited = Math.max(waited, picture.waiting.length);
    hosts = Math.max(hosts, picture.rooms.length);
  }
  expect([waited > 0, hosts > 1]).toEqual([true, true]);
});
