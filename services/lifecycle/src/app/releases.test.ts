/**
 * The release of amounts that a VM holds only for minutes of its cell that have passed.
 */
import { type Ledger, type LedgerEntry, type Vm, vmFold } from "@bioxen/contracts";
import type { Caller, EventEnvelope } from "@bioxen/kernel";
import { FakeClock, vmEvent } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { checkpointed, entryOf, FENCE, LOGS, REQUEST, VM_ID } from "../domain/testing.ts";
import { Releases } from "./releases.ts";

const SMALLER = { ribosomes: 200 };
const shrunk = vmEvent("resized", { request: REQUEST, allocation: REQUEST, simMinute: 5, given: SMALLER });

/** One step for a VM after these events. Returns the amounts that the allocator was asked for, and the next step. */
async function step(events: readonly object[], { entry = entryOf(FENCE), acts = true, ok = true } = {}) {
  const state = [...LOGS.running, ...events].reduce<unknown>(
    (before, event, i) =>
      vmFold.evolve(before as Vm, event as never, { seq: i, atMs: i, version: i, subject: "vm/a" } as never),
    vmFold.initial,
  ) as Vm;
  const asked: unknown[] = [];
  const caller: Pick<Caller, "call"> = {
    call: async (_subject, request) => {
      asked.push(request);
      if (ok) return { ok: true, changed: true, seq: 99 } as never;
      return { ok: false, error: { code: "UNAVAILABLE", message: "x", retryable: true } } as never;
    },
  };
  const last = { id: "e1", correlationid: "c", subject: `vm/${VM_ID}` } as unknown as EventEnvelope;
  const ledger = { entries: { [VM_ID]: entry as LedgerEntry } } as unknown as Ledger;
  const ports = {
    caller: caller as Caller,
    applied: async () => undefined,
    vms: { get: () => ({ state, last, lastSeq: 1, version: 1 }) } as never,
    ledgers: { get: () => ledger } as never,
    clock: new FakeClock(),
  };
  const next = await new Releases(ports, () => acts).step(VM_ID);
  return { asked, next };
}

it("asks the allocator for what the cell has, once a checkpoint is beyond the minute", async () => {
  expect((await step([shrunk])).asked).toEqual([]);
  expect((await step([shrunk, checkpointed(5)])).asked).toEqual([]);
  const { asked, next } = await step([shrunk, checkpointed(6)]);
  expect(asked).toMatchObject([{ vmId: VM_ID, fence: FENCE, amounts: SMALLER, from: REQUEST }]);
  expect(next).toBeUndefined();
});

it("does nothing without the lease, and nothing twice", async () => {
  const events = [shrunk, checkpointed(6)];
  expect((await step(events, { acts: false })).asked).toEqual([]);
  expect((await step(events, { entry: entryOf(FENCE, { amounts: SMALLER }) })).asked).toEqual([]);
  expect((await step(events, { entry: entryOf(FENCE - 1) })).asked).toEqual([]);
});

it("tries again later when the allocator refuses", async () => {
  const { next } = await step([shrunk, checkpointed(6)], { ok: false });
  expect(next?.dueAtMs).toBeGreaterThan(0);
});
