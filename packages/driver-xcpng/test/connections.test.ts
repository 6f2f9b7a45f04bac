/**
 * Who shares a connection, and when there is another one; the connections are stand-ins.
 */
import { expect, it } from "vitest";
import type { Connection } from "../src/ssh/connection.ts";
import { Connections } from "../src/ssh/connections.ts";
import { tooBusy } from "../src/ssh/failures.ts";
import { thrownBy } from "./connect.ts";

class StandIn {
  readonly closed: string[] = [];
  readonly #listeners: (() => void)[] = [];

  onEnd(listener: () => void): void {
    this.#listeners.push(listener);
  }

  close(why = "it was lost"): void {
    if (this.closed.push(why) === 1) for (const listener of this.#listeners) listener();
  }
}

function rig() {
  const connections = new Connections({ idleMs: 60_000 });
  const made: StandIn[] = [];
  const open = async (): Promise<Connection> => {
    const next = new StandIn();
    made.push(next);
    return next as unknown as Connection;
  };
  return { connections, made, open };
}

const done = async () => "done";

it("one is shared, and made anew for another run of its machine or when it was lost", async () => {
  const { connections, made, open } = rig();
  await Promise.all([connections.with("x1", 1, open, done), connections.with("x1", 1, open, done)]);
  expect([made.length, connections.size]).toEqual([1, 1]);
  await connections.with("x1", 2, open, done);
  expect([made.length, made[0]?.closed, connections.size]).toEqual([2, ["its machine was started anew"], 1]);
  made[1]?.close();
  expect(connections.size).toBe(0);
  await connections.with("x1", 2, open, done);
  await connections.close();
  expect([made.length, made[2]?.closed, connections.size]).toEqual([3, ["the agent ended"], 0]);
});

it("one that took no program is not offered to the next, unless others are on it", async () => {
  const { connections, made, open } = rig();
  const dead = () => Promise.reject(tooBusy("x1", "silence"));
  const held = Promise.withResolvers<string>();
  const other = connections.with("x1", 1, open, () => held.promise);
  await thrownBy(connections.with("x1", 1, open, dead));
  expect(connections.size, "the other goes on").toBe(1);
  held.resolve("done");
  expect(await other).toBe("done");
  await thrownBy(connections.with("x1", 1, open, dead));
  expect([connections.size, made[0]?.closed]).toEqual([0, ["it took no program"]]);
  await thrownBy(connections.with("x1", 1, open, () => Promise.reject(new TypeError("a bug"))));
  expect(connections.size, "what failed otherwise is no sign of it").toBe(1);
});

it("one that is ended while it is opened runs nothing, and is closed; one that cannot be opened is forgotten", async () => {
  const { connections, made, open } = rig();
  let ran = false;
  const running = connections.with("x1", 1, open, async () => {
    ran = true;
  });
  connections.end("x1", "its machine was stopped");
  expect(await thrownBy(running)).toMatchObject({ code: "UNAVAILABLE", details: { ran: "no" } });
  expect([ran, connections.size, made[0]?.closed]).toEqual([false, 0, ["its machine was stopped"]]);
  expect(
    (await thrownBy(connections.with("x1", 1, () => Promise.reject(new Error("no")), done))).message,
  ).toBe("no");
  expect(connections.size).toBe(0);
});
