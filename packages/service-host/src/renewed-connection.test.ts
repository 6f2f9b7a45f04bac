import { beforeEach, describe, expect, it } from "vitest";
import { RenewedConnection } from "./renewed-connection.ts";

/** A gateway whose timers the test advances. What happens is in `seen`, in its order. */
class World {
  readonly seen: string[] = [];
  isNew = false;
  /** True: the server does not accept the new credentials. */
  isRefused = false;
  look: () => void = () => undefined;
  /** Ends the wait that began last. */
  after: () => void = () => undefined;
  reconnected: () => void = () => undefined;
  failed: (error: Error) => void = () => undefined;
  readonly connection: RenewedConnection;

  constructor() {
    const world = this;
    const log = (_: object, message: string) => void this.seen.push(message);
    this.connection = new RenewedConnection({
      bus: {
        connected: true,
        get hasNewCredentials() {
          return world.isNew;
        },
        reconnect: async () => {
          this.seen.push("reconnect");
          await new Promise<void>((resolve, reject) => {
            this.reconnected = resolve;
            this.failed = reject;
          });
          this.isNew = false;
        },
      },
      tryLogin: async () => {
        if (this.isRefused) throw new Error("refused the login");
      },
      logger: { debug: log, info: log, warn: log, error: log },
      timers: {
        after: (_, callback) => {
          this.after = callback;
          return { cancel: () => undefined };
        },
        every: (_, callback) => {
          this.look = callback;
          return { cancel: () => void this.seen.push("no longer looking") };
        },
      },
    });
  }

  /** Begins a request, and returns the function that answers it. */
  request(name: string): () => void {
    let answer: () => void = () => undefined;
    void this.connection.during(async () => {
      this.seen.push(`${name} is sent`);
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      this.seen.push(`${name} is answered`);
    });
    return () => answer();
  }
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
const DONE = "the connection uses the new credentials";

let world: World;
beforeEach(() => {
  world = new World();
});

describe("new credentials", () => {
  it("are used between two requests: one under way ends before, and the next one waits", async () => {
    const answer = world.request("one");
    await settled();
    world.isNew = true;
    world.look();
    await settled();
    world.request("two");
    await settled();
    expect(world.seen).toEqual(["one is sent"]);
    answer();
    await settled();
    expect(world.seen.slice(1)).toEqual(["one is answered", "reconnect"]);
    world.reconnected();
    await settled();
    expect(world.seen.slice(3)).toEqual([DONE, "two is sent"]);
    world.look();
    await settled();
    expect(world.seen).toHaveLength(5);
  });

  it("do not wait for a request without end", async () => {
    world.request("program");
    await settled();
    world.isNew = true;
    world.look();
    await settled();
    world.after();
    await settled();
    expect(world.seen.slice(1)).toEqual(["reconnect"]);
  });

  it("that the server refuses are tried again later, and stop no request", async () => {
    [world.isNew, world.isRefused] = [true, true];
    world.look();
    await settled();
    world.look();
    world.request("one");
    await settled();
    expect(world.seen).toEqual(["cannot use the new credentials yet: refused the login", "one is sent"]);
    world.after();
    world.isRefused = false;
    world.look();
    await settled();
    expect(world.seen).toHaveLength(2);
    world.after();
    await settled();
    expect(world.seen.at(-1)).toBe("reconnect");
  });

  it("stop no request when the connection is not made again in time", async () => {
    world.isNew = true;
    world.look();
    await settled();
    world.request("one");
    world.failed(new Error("no server"));
    await settled();
    world.request("two");
    await settled();
    expect(world.seen.slice(1).toSorted()).toEqual([
      "cannot use the new credentials yet: no server",
      "one is sent",
      "two is sent",
    ]);
  });

  it("are no longer looked for after the end", () => {
    world.connection.stop();
    expect(world.seen).toEqual(["no longer looking"]);
  });
});
