/**
 * The conflicts of a command with what its caller expects: another version, or another payload under its message id.
 */
import { type ChassisEvent, type ChassisState, chassisFold } from "@bioxen/contracts";
import { Aggregates, accept, type Causation, expecting, UNCHANGED } from "@bioxen/kernel";
import { describe, expect, it } from "vitest";
import { FakeClock, idsInOrder, MemoryEventLog, registeredChassis, storedOf } from "../src/index.ts";

const REGISTERED = registeredChassis();
const SUBJECT = "bioxen.evt.chassis.c1";

function instanceOn(log: MemoryEventLog, prefix: string) {
  return new Aggregates<ChassisState>({
    kind: "chassis",
    fold: chassisFold,
    log,
    clock: new FakeClock(),
    ids: idsInOrder(prefix),
    source: "/bioxen/test",
  });
}

/** A command of a caller with a message id, and the digest of its payload. */
const sent = (causeId: string, payloadDigest?: string): Causation => ({
  causeId,
  correlationId: causeId,
  deduplicate: true,
  ...(payloadDigest === undefined ? {} : { payloadDigest }),
});
const register = (state: ChassisState) => (state.registered ? UNCHANGED : accept(REGISTERED));
const cordon = (state: ChassisState) =>
  state.registered && state.cordoned
    ? UNCHANGED
    : accept<ChassisEvent>({ type: "bioxen.chassis.cordoned.v1", data: {} });

const conflict = (details: { expected: number; actual: number }) => ({
  ok: false,
  rejection: { code: "CONFLICT", retryable: false, details },
});

describe("a command that expects a version", () => {
  it("is carried out on this version, and refused on any other, also when it would change nothing", async () => {
    const log = new MemoryEventLog();
    const a = instanceOn(log, "a");
    const run = (id: string, version: number, decide: typeof cordon) =>
      a.execute("c1", expecting(sent(id), version), decide);
    expect(await run("one", 1, register)).toMatchObject(conflict({ expected: 1, actual: 0 }));
    expect(await run("two", 0, register)).toMatchObject({ ok: true, changed: true });
    expect(await run("three", 0, register)).toMatchObject(conflict({ expected: 0, actual: 1 }));
    expect(await run("four", 2, cordon)).toMatchObject(conflict({ expected: 2, actual: 1 }));
    expect(await run("five", 1, cordon)).toMatchObject({ ok: true, changed: true });
    expect(await run("six", 1, cordon)).toMatchObject(conflict({ expected: 1, actual: 2 }));
    expect(await run("seven", 2, cordon)).toMatchObject({ ok: true, changed: false });
    expect(await log.lastSeq()).toBe(2);
  });

  it("is compared with the version in the log, not with that of a stale instance", async () => {
    const log = new MemoryEventLog();
    const [a, b] = [instanceOn(log, "a"), instanceOn(log, "b")];
    await a.execute("c1", sent("register"), register);
    expect(await b.execute("c1", expecting(sent("cordon"), 1), cordon)).toMatchObject({ changed: true });
    expect(await a.execute("c1", expecting(sent("late"), 1), cordon)).toMatchObject(
      conflict({ expected: 1, actual: 2 }),
    );
  });

  it("gets its first outcome when it is repeated, although the version has changed since", async () => {
    const log = new MemoryEventLog();
    const a = instanceOn(log, "a");
    await a.execute("c1", sent("register"), register);
    const once = () => a.execute("c1", expecting(sent("cordon"), 1), cordon);
    const first = await once();
    expect(first).toMatchObject({ ok: true, changed: true, current: { version: 2 } });
    expect(await once()).toEqual(first);
  });

  it("lets one of several concurrent commands that expect the same version through", async () => {
    const log = new MemoryEventLog();
    const [a, b] = [instanceOn(log, "a"), instanceOn(log, "b")];
    await a.execute("c1", sent("register"), register);
    const results = await Promise.all(
      [a, b, a, b].map((one, i) => one.execute("c1", expecting(sent(`cordon-${i}`), 1), cordon)),
    );
    expect(results.filter((result) => result.ok)).toHaveLength(1);
    expect(await log.lastSeq()).toBe(2);
  });
});

describe("a message id that was used before", () => {
  it("is refused with another payload, also by an instance that only knows the log", async () => {
    const log = new MemoryEventLog();
    const a = instanceOn(log, "a");
    const first = await a.execute("c1", sent("register", "digest-1"), register);
    expect(await a.execute("c1", sent("register", "digest-1"), register)).toEqual(first);
    const events = await log.read(SUBJECT, 0);
    expect(events[0]?.envelope.payloaddigest).toBe("digest-1");
    const later = instanceOn(log, "b");
    for (const event of events) later.apply(event, true);
    for (const one of [a, later]) {
      expect(await one.execute("c1", sent("register", "digest-2"), register)).toMatchObject({
        ok: false,
        rejection: { code: "CONFLICT", retryable: false },
      });
      expect(await one.execute("c1", sent("register", "digest-1"), register)).toMatchObject({
        changed: true,
      });
    }
    expect(await log.lastSeq()).toBe(1);
  });

  it("gets the first outcome with any payload when the event is from before digests were recorded", async () => {
    const log = new MemoryEventLog();
    const a = instanceOn(log, "a");
    await a.execute("c1", sent("register"), register);
    const [event] = await log.read(SUBJECT, 0);
    expect(event?.envelope).not.toHaveProperty("payloaddigest");
    const later = instanceOn(log, "b");
    if (event !== undefined) later.apply(storedOf(event.seq, event.envelope), true);
    expect(await later.execute("c1", sent("register", "digest-1"), register)).toMatchObject({
      ok: true,
      changed: true,
    });
  });
});
