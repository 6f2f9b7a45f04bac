/**
 * The view that is updated event by event equals the view that is built from the final states.
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

/** A cluster with a feed that applies events to the folds first, then calls the listener. */
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

const viewOf = (made: Cluster) => ({
  rooms: made.rooms(),
  waiting: made.waiting().sort((a, b) => (a.vmId < b.vmId ? -1 : 1)),
});

it("an incremental view equals a rebuilt one at every event of a recorded log", () => {
  const incremental = cluster();
  incremental.begin();
  let [waited, hosts] = [0, 0];
  for (const [i, event] of events.entries()) {
    incremental.apply(event);
    // Only every seventh event: each comparison folds the log from its start.
    if (i % 7 > 0) continue;
    const rebuilt = cluster();
    for (const earlier of events.slice(0, i + 1)) rebuilt.apply(earlier);
    rebuilt.begin();
    const view = viewOf(incremental.made);
    expect(view).toEqual(viewOf(rebuilt.made));
    waited = Math.max(waited, view.waiting.length);
    hosts = Math.max(hosts, view.rooms.length);
  }
  expect([waited > 0, hosts > 1]).toEqual([true, true]);
});
