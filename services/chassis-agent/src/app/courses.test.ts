/**
 * The rows of an agent's guests reach the store in batches, each row once, whatever fails in between.
 */
import { courseBatch, type Vm } from "@bioxen/contracts";
import { type CourseBatchName, Fault } from "@bioxen/kernel";
import { FakeClock, MemoryCourses } from "@bioxen/testkit";
import type { GuestEvent, GuestRecord } from "@bioxen/vm-driver";
import { expect, it } from "vitest";
import { Courses, MAX_WAITING_ROWS } from "./courses.ts";

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const COLUMNS = [
  { name: "minute", unit: "min" },
  { name: "r", unit: "molecules" },
];
const VM = { incarnation: 1, restores: 0, record: { everyMinutes: 1 } } as Vm;

function world(store = new MemoryCourses()) {
  const clock = new FakeClock();
  const courses = new Courses({ courses: store, clock, timers: clock, logger: silent }, "x");
  const begin = (vmId = "a", vm = VM) => courses.recordOf(vmId, vm) as GuestRecord;
  const record = ({ key }: GuestRecord, from: number, to: number, vmId = "a") => {
    const rows = Array.from({ length: to - from + 1 }, (_, i) => [from + i, (from + i) / 3]);
    courses.observe({ kind: "recorded", vmId, fence: 1, key, columns: COLUMNS, rows } satisfies GuestEvent);
  };
  return { clock, store, courses, begin, record };
}

/** Returns the minutes of each stored batch, by branch, run and first minute. */
async function stored(store: MemoryCourses, vmId = "a"): Promise<Record<string, number[]>> {
  const names = [...(await store.batches({ vmId, incarnation: 1 }))];
  const order = (n: CourseBatchName) => n.branch * 1e6 + n.run * 1e4 + n.firstMinute;
  const batches: Record<string, number[]> = {};
  for (const name of names.sort((a, b) => order(a) - order(b))) {
    const { rows } = courseBatch.parse(JSON.parse(new TextDecoder().decode(await store.get(name))));
    batches[`${name.branch}/${name.run}/${name.firstMinute}`] = rows.map(([minute]) => minute ?? -1);
  }
  return batches;
}

const upTo = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

it("stores full batches at once, the rest after some seconds, and each row once", async () => {
  const { clock, store, begin, record } = world();
  const guest = begin();
  record(guest, 0, 129);
  await clock.advance(0);
  expect(await stored(store)).toEqual({ "0/1/0": upTo(0, 127) });
  await clock.advance(6_000);
  record(guest, 130, 131);
  await clock.advance(6_000);
  expect(await stored(store)).toEqual({
    "0/1/0": upTo(0, 127),
    "0/1/128": [128, 129],
    "0/1/130": [130, 131],
  });
});

it("has stored every row once a flush has ended, and sends the same batch again after a failure", async () => {
  const { store, courses, begin, record } = world();
  const sent: string[] = [];
  let fails = true;
  const put = store.put.bind(store);
  store.put = async (name, bytes) => {
    sent.push(`${name.firstMinute} ${bytes.length}`);
    await put(name, bytes);
    if (fails) throw new Fault("UNAVAILABLE", "the acknowledgement is lost", { retryable: true });
  };
  const guest = begin();
  record(guest, 0, 5);
  await expect(courses.flush("a")).rejects.toMatchObject({ code: "UNAVAILABLE" });
  record(guest, 6, 7);
  fails = false;
  await courses.flush("a");
  expect(await stored(store)).toEqual({ "0/1/0": upTo(0, 5), "0/1/6": [6, 7] });
  expect(sent[1], "the batch of which no acknowledgement came is sent unchanged").toBe(sent[0]);
});

it("gives each guest a run of its own, and each restore a branch", async () => {
  const { store, courses, begin, record } = world();
  const first = begin();
  courses.began("a", first);
  record(first, 0, 9);
  await courses.flush("a");
  const second = begin();
  record(first, 10, 11);
  courses.began("a", second);
  record(second, 6, 8);
  record(first, 12, 13);
  await courses.flush("a");
  const third = begin("a", { ...VM, restores: 1 });
  courses.began("a", third);
  record(third, 4, 5);
  await courses.flush("a");
  expect(await stored(store)).toEqual({
    "0/1/0": upTo(0, 9),
    "0/1/10": [10, 11],
    "0/2/6": [6, 7, 8],
    "1/1/4": [4, 5],
  });
});

it("continues after the runs that another agent, or this one before its death, has stored", async () => {
  const { store } = world();
  const [before, after] = [world(store), world(store)];
  const dead = before.begin();
  before.record(dead, 0, 9);
  await before.courses.flush("a");
  const alive = after.begin();
  after.record(alive, 8, 12);
  await after.courses.flush("a");
  expect(await stored(store)).toEqual({ "0/1/0": upTo(0, 9), "0/2/8": upTo(8, 12) });
});

it("records nothing of a VM without a course, and nothing of a guest that has ended", async () => {
  const { store, courses, begin, record } = world();
  expect(courses.recordOf("b", { ...VM, record: undefined })).toBeUndefined();
  const guest = begin();
  record(guest, 0, 1);
  courses.ended("a");
  record(guest, 2, 3);
  await courses.flush("a");
  expect(await stored(store)).toEqual({ "0/1/0": [0, 1] });
});

it("is full once too many rows wait for the store, and has room again when they are stored", async () => {
  const { store, courses, begin, record } = world();
  const put = store.put.bind(store);
  store.put = () => Promise.reject(new Fault("UNAVAILABLE", "away", { retryable: true }));
  const guest = begin();
  record(guest, 0, MAX_WAITING_ROWS - 2);
  expect(courses.isFull()).toBe(false);
  record(guest, MAX_WAITING_ROWS - 1, MAX_WAITING_ROWS - 1);
  expect(courses.isFull()).toBe(true);
  store.put = put;
  await courses.flush("a");
  expect(courses.isFull()).toBe(false);
});
