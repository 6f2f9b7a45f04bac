/**
 * A blocked or ended worker: the losses of each guest, and that all guests continue.
 */
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { BasicDriverOptions } from "../src/index.ts";
import { Fleet } from "./fleet.ts";

describe("the watchdog", () => {
  let fleet: Fleet;
  beforeEach(() => {
    fleet = new Fleet({ workerUrl: new URL("./stalling-worker.ts", import.meta.url) });
  });
  afterEach(() => fleet.driver.close());

  it("ends a blocked worker: its guest times out, other calls fail or run, cells are not affected", async () => {
    await fleet.start("bad");
    await fleet.start("started", { program: "programmed = true" });
    await fleet.start("waiting");
    await fleet.value("started", "kept = 1");
    await fleet.value("waiting", "kept = 1");
    const started = fleet.failure("started", "local n = 0 while true do n = n + 1 end", 60_000);
    await fleet.value("waiting", "return 1");
    const stuck = fleet.failure("bad", "--stall", 60_000);
    const waiting = fleet.value("waiting", "return kept == nil");
    fleet.driver.tick(1_000);

    expect(await stuck).toMatchObject({ code: "GUEST_TIMEOUT", details: { stateLost: true } });
    expect(await started).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(await waiting, "sent to the next worker, where its globals are gone").toBe(true);
    expect(await fleet.value("started", "return programmed, kept")).toEqual([true, null]);
    expect(await fleet.value("bad", "return 1")).toBe(1);
    fleet.driver.tick(1_000);
    for (const id of ["bad", "started", "waiting"]) expect(fleet.driver.sample(id)?.simMinutes).toBe(120);
  });

  it("the Lua of a guest that blocks three workers is switched off", async () => {
    await fleet.start("bad");
    await fleet.start("good");
    for (let i = 0; i < 3; i += 1) {
      expect((await fleet.failure("bad", "--crash")).code).toBe("GUEST_ERROR");
      expect(await fleet.value("good", "return 1")).toBe(1);
    }
    expect(await fleet.failure("bad", "return 1")).toMatchObject({
      code: "GUEST_ERROR",
      message: expect.stringContaining("switched off"),
    });
    expect(await fleet.value("good", "return 1")).toBe(1);
    await fleet.start("bad");
    expect(await fleet.value("bad", "return 1"), "a new start is a new guest").toBe(1);
  });

  it("the blocked worker of a stopped guest is ended too", async () => {
    await fleet.start("bad");
    await fleet.start("good");
    const stuck = fleet.failure("bad", "--stall", 60_000);
    await fleet.driver.stop("bad", fleet.fence("bad"));
    expect((await stuck).code).toBe("INVALID_STATE");
    expect(await fleet.value("good", "return 1")).toBe(1);
  });
});

describe("the wait of a call", () => {
  /** Longer than the timeout of a call and its grace together, ms. */
  const PAUSE_MS = 1_500;
  const open: Fleet[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map(({ driver }) => driver.close()));
  });
  function fleet(options: BasicDriverOptions = {}): Fleet {
    const made = new Fleet(options);
    open.push(made);
    return made;
  }

  it("does not count the start of the worker", async () => {
    const slow = fleet({ workerUrl: new URL("./late-worker.ts", import.meta.url) });
    await slow.start("cell-a");
    const outcome = await slow.exec("cell-a", "return 1", 100);
    expect(outcome.result).toBe(1);
  });

  it("does not count a delay of the agent's own thread", async () => {
    const delayed = fleet();
    await delayed.start("cell-a");
    await delayed.value("cell-a", "return 1");
    const { promise: outcome, resolve } = Promise.withResolvers<unknown>();
    // Both run in one turn of the event loop: the answer comes while this thread is blocked, and the timer is due first.
    setImmediate(() => resolve(delayed.exec("cell-a", "return 1", 100)));
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS));
    expect(await outcome).toMatchObject({ result: 1 });
  });
});

describe("the worker of a closed driver", () => {
  const { terminate } = Worker.prototype;
  let terminated = 0;
  beforeEach(() => {
    terminated = 0;
    Worker.prototype.terminate = function (this: Worker) {
      terminated += 1;
      return terminate.call(this);
    };
  });
  afterEach(() => {
    Worker.prototype.terminate = terminate;
  });
  const fleet = () => new Fleet({ workerUrl: new URL("./stalling-worker.ts", import.meta.url) });

  it("ends by itself", async () => {
    const closed = fleet();
    await closed.start("cell-a", { program: "kept = 1" });
    await closed.value("cell-a", "return kept");
    await closed.driver.close();
    expect(terminated).toBe(0);
  });

  it("ends by itself between two slices of a call", async () => {
    const closed = fleet();
    await closed.start("cell-a");
    await closed.value("cell-a", "return 1");
    const call = closed.failure("cell-a", "while true do end", 60_000);
    await closed.driver.close();
    expect((await call).code).toBe("INVALID_STATE");
    expect(terminated).toBe(0);
  });

  it("is terminated if it is blocked", async () => {
    const closed = fleet();
    await closed.start("cell-a");
    await closed.value("cell-a", "return 1");
    const call = closed.failure("cell-a", "--stall", 60_000);
    await closed.driver.close();
    expect((await call).code).toBe("INVALID_STATE");
    expect(terminated).toBe(1);
  });
});

describe("a worker that cannot start", () => {
  it("calls are UNAVAILABLE, and cells continue", async () => {
    const fleet = new Fleet({ workerUrl: new URL("./no-such-worker.ts", import.meta.url) });
    await fleet.start("cell-a");
    expect(await fleet.failure("cell-a", "return 1")).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    fleet.driver.tick(1_000);
    expect(fleet.driver.sample("cell-a")?.simMinutes).toBe(60);
    await fleet.driver.close();
  });
});
