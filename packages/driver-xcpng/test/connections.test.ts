/**
 * When programs share a connection and when another one is opened. The connections are stand-ins.
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

  close(why = "the connection was lost"): void {
    if (this.closed.push(why) === 1) for (const listener of this.#listeners) listener();
  }
}

function rig() {
  const connections = new Connections({ idleMs: 60_000 });
  const made: StandIn[] = [];
  const open = async (): Promise<Connection> => {
    const next = new StandIn();
    made.push(next);
    // `Connections` uses only `onEnd` and `close`.
    return next as unknown as Connection;
  };
  return { connections, made, open };
}

const done = async () => "done";

it("programs share a connection; a new run of the machine or a loss opens another", async () => {
  const { connections, made, open } = rig();
  await Promise.all([connections.with("x1", 1, open, done), connections.with("x1", 1, open, done)]);
  expect([made.length, connections.size]).toEqual([1, 1]);
  await connections.with("x1", 2, open, done);
  expect([made.length, made[0]?.closed, connections.size]).toEqual([2, ["its machine was restarted"], 1]);
  made[1]?.close();
  expect(connections.size).toBe(0);
  await connections.with("x1", 2, open, done);
  await connections.close();
  expect([made.length, made[2]?.closed, connections.size]).toEqual([3, ["the agent shut down"], 0]);
});

it("a connection that accepted no program is closed, unless other programs use it", async () => {
  const { connections, made, open } = rig();
  const dead = () => Promise.reject(tooBusy("x1", "silence"));
  const running = Promise.withResolvers<string>();
  const other = connections.with("x1", 1, open, () => running.promise);
  await thrownBy(connections.with("x1", 1, open, dead));
  expect(connections.size, "the other program goes on").toBe(1);
  running.resolve("done");
  expect(await other).toBe("done");
  await thrownBy(connections.with("x1", 1, open, dead));
  expect([connections.size, made[0]?.closed]).toEqual([0, ["it accepted no program"]]);
  await thrownBy(connections.with("x1", 1, open, () => Promise.reject(new TypeError("a bug"))));
  expect(connections.size, "another failure keeps the connection").toBe(1);
});

it("a connection that ends while it opens is closed and runs nothing; one that fails to open is forgotten", async () => {
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
