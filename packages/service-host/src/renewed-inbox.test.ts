import type { Inbox } from "@bioxen/nats";
import { expect, it } from "vitest";
import { RenewedInbox } from "./renewed-inbox.ts";

/** A service with a file of credentials, whose timers the test advances. What happens is in `seen`, in its order. */
class World {
  readonly seen: string[] = [];
  isNew = false;
  /** True: the server cuts the connections of an inbox that leaves. */
  isCut = false;
  /** True: the server does not accept the new credentials. */
  isRefused = false;
  look: () => void = () => undefined;
  retry: () => void = () => undefined;
  #opened = 0;

  open(): Promise<RenewedInbox> {
    const world = this;
    const log = (_: object, message: string) => void this.seen.push(message);
    return RenewedInbox.open({
      bus: {
        connected: true,
        get hasNewCredentials() {
          return world.isNew;
        },
        reconnect: async () => {
          this.seen.push("reconnect");
          this.isNew = false;
        },
      },
      open: async () => this.#inbox(),
      logger: { debug: log, info: log, warn: log, error: log },
      timers: {
        after: (_, callback) => {
          this.retry = callback;
          return { cancel: () => undefined };
        },
        every: (_, callback) => {
          this.look = callback;
          return { cancel: () => void this.seen.push("no longer looking") };
        },
      },
    });
  }

  #inbox(): Inbox {
    if (this.isRefused) throw new Error("refused the login");
    this.#opened += 1;
    const name = `inbox ${this.#opened}`;
    this.seen.push(`${name} opens`);
    return {
      load: () => {
        throw new Error("not asked for");
      },
      leave: async () => {
        if (this.isCut) throw new Error("the connection is closed");
        this.seen.push(`${name} leaves`);
      },
      quietly: async (work) => {
        this.seen.push(`${name} is quiet`);
        await work();
        this.seen.push(`${name} goes on`);
      },
      stop: async () => {
        if (this.isCut) throw new Error("the connection is closed");
        this.seen.push(`${name} stops`);
      },
    };
  }
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

it("opens the next inbox before the former one leaves, and reconnects in between requests", async () => {
  const world = new World();
  const inbox = await world.open();
  world.look();
  await settled();
  expect(world.seen).toEqual(["inbox 1 opens"]);
  world.isNew = true;
  world.look();
  world.look();
  await settled();
  expect(world.seen.slice(1)).toEqual([
    "inbox 2 opens",
    "inbox 1 leaves",
    "inbox 2 is quiet",
    "reconnect",
    "inbox 2 goes on",
    "the connections use the new credentials",
    "inbox 1 stops",
  ]);
  world.look();
  await settled();
  expect(world.seen).toHaveLength(8);
  await inbox.stop();
  expect(world.seen.slice(8)).toEqual(["no longer looking", "inbox 2 stops"]);
});

it("goes on with the next inbox when the connections of the former one are cut", async () => {
  const world = new World();
  await world.open();
  world.isNew = true;
  world.isCut = true;
  world.look();
  await settled();
  expect(world.seen.filter((one) => one.endsWith("opens"))).toHaveLength(2);
  expect(world.seen).toContain("reconnect");
  expect(world.seen.at(-1)).toBe("the former inbox ended early: the connection is closed");
  world.look();
  await settled();
  expect(world.seen.filter((one) => one.endsWith("opens"))).toHaveLength(2);
});

it("goes on with its connections while the server refuses the new credentials, and tries again", async () => {
  const world = new World();
  await world.open();
  world.isNew = true;
  world.isRefused = true;
  world.look();
  await settled();
  expect(world.seen).toEqual(["inbox 1 opens", "cannot use the new credentials yet: refused the login"]);
  world.look();
  await settled();
  expect(world.seen).toHaveLength(2);
  world.isRefused = false;
  world.retry();
  world.look();
  await settled();
  expect(world.seen).toContain("reconnect");
});
