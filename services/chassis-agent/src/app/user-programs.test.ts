/** When the log has the programs that ran in a guest, and which of them the guest has run. */
import type { CellChange, Vm } from "@bioxen/contracts";
import { FakeClock } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { RECORDED_WITHIN_MS, UserPrograms } from "./user-programs.ts";

function rig() {
  const clock = new FakeClock();
  const programs = new UserPrograms({ clock, timers: clock });
  programs.began("v1", 4);
  const recorded = (...changes: readonly CellChange[]) =>
    programs.onVmChanged("v1", { changes } as unknown as Vm);
  return { clock, programs, recorded };
}
const change = (seq: number, simMinute: number, nth: number): CellChange => ({
  seq,
  simMinute,
  program: { nth, afterSeq: 0 },
});

it("a state waits for the programs that ran before it, and for no later ones", async () => {
  const { programs, recorded, clock } = rig();
  expect(await programs.recorded("v1", 100)).toBe(true);
  programs.ran("v1", 4, 7, 0);
  programs.ran("v1", 4, 7, 1);
  const wait = programs.recorded("v1", 100);
  programs.ran("v1", 4, 8, 0);
  recorded(change(50, 7, 1), change(51, 8, 1));
  const late = programs.recorded("v1", 100);
  recorded(change(50, 7, 1), change(52, 7, 0));
  await clock.advance(99);
  recorded(change(50, 7, 1), change(52, 7, 0), change(53, 8, 0));
  expect(await Promise.all([wait, late])).toEqual([true, true]);
  programs.ran("v1", 4, 9, 0);
  const never = programs.recorded("v1", 100);
  await clock.advance(100);
  expect(await never).toBe(false);
});

it("a program counts as not recorded after a time, in the present guest only", () => {
  const { programs, recorded, clock } = rig();
  expect(programs.dueAtMs("v1")).toBeUndefined();
  programs.ran("v1", 3, 7, 0);
  expect(programs.dueAtMs("v1"), "of an earlier guest").toBeUndefined();
  programs.ran("v1", 4, 7, 0);
  expect(programs.dueAtMs("v1")).toBe(clock.nowMs() + RECORDED_WITHIN_MS);
  recorded(change(50, 7, 0));
  expect(programs.dueAtMs("v1")).toBeUndefined();
  programs.ran("v1", 4, 8, 0);
  programs.began("v1", 5);
  expect(programs.dueAtMs("v1")).toBeUndefined();
});

it("the guest that ran a program is not asked to run it again", () => {
  const { programs, recorded } = rig();
  programs.ran("v1", 4, 7, 0);
  recorded(change(50, 7, 0), change(51, 7, 1));
  expect([50, 51, 50].map((seq) => programs.takeRan("v1", { seq }))).toEqual([true, false, false]);
});
