/**
 * Courses are kept for 30 days after their VMs were destroyed, and no other course is deleted.
 */
import { COURSE_KEPT_MS, type VmEvent, type VmState, vmFold } from "@bioxen/contracts";
import { FakeClock, MemoryCourses } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { CourseSweeper } from "./course-sweeper.ts";

const DAY_MS = 86_400_000;
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

it("deletes a course 30 days after its VM was destroyed, also when the id was used again", async () => {
  const [clock, courses, vms] = [new FakeClock(), new MemoryCourses(), new Map<string, VmState>()];
  let version = 0;
  const happen = (vmId: string, type: string, data: object) => {
    version += 1;
    const event = { type: `bioxen.vm.${type}.v1`, data } as VmEvent;
    const at = { eventId: `e${version}`, correlationId: "c", seq: version, version, atMs: clock.nowMs() };
    vms.set(vmId, vmFold.evolve(vms.get(vmId) ?? vmFold.initial, event, at));
  };
  const store = (vmId: string, incarnation = 1) =>
    courses.put({ agentId: "x", vmId, incarnation, branch: 0, run: 1, firstMinute: 0 }, new Uint8Array(1));
  const left = async () =>
    (await courses.courses()).map(({ vmId, incarnation }) => `${vmId} ${incarnation}`).toSorted();
  for (const vmId of ["alive", "gone", "again"]) {
    happen(vmId, "created", { incarnation: 1, request: {} });
    await store(vmId);
  }
  await store("unknown");
  const sweeper = new CourseSweeper(
    { courses, clock, timers: clock, logger: silent },
    (vmId) => vms.get(vmId) ?? vmFold.initial,
    () => true,
  );
  sweeper.begin();
  await clock.advance(COURSE_KEPT_MS + DAY_MS);
  for (const vmId of ["gone", "again"]) happen(vmId, "destroyed", { reason: "by command" });
  happen("again", "created", { incarnation: 2, request: {} });
  await store("again", 2);
  await clock.advance(COURSE_KEPT_MS - DAY_MS);
  expect(await left()).toEqual(["again 1", "again 2", "alive 1", "gone 1", "unknown 1"]);
  await clock.advance(2 * DAY_MS);
  expect(await left()).toEqual(["again 2", "alive 1", "unknown 1"]);
  await sweeper.end();
});
