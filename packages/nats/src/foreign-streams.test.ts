/**
 * Which subjects two patterns share.
 */
import { expect, it } from "vitest";
import { subjectsOverlap } from "./foreign-streams.ts";

it.each([
  ["bioxen.cmd.>", "bioxen.>"],
  [">", "bioxen.cmd.>"],
  ["*.cmd.vm.create", "bioxen.cmd.>"],
  ["bioxen.*.vm.*", "bioxen.cmd.>"],
  ["bioxen.cmd.vm.create", "bioxen.cmd.vm.create"],
  ["bioxen.*.*", "bioxen.tel.*"],
])("%s and %s overlap", (one, other) => {
  expect(subjectsOverlap(one, other)).toBe(true);
  expect(subjectsOverlap(other, one)).toBe(true);
});

it.each([
  ["orders.>", "bioxen.>"],
  ["bioxen", "bioxen.>"],
  ["bioxen.cmd", "bioxen.cmd.>"],
  ["bioxen.job.>", "bioxen.job-outcome.>"],
  ["bioxen.*", "bioxen.cmd.vm"],
  ["bioxen.tel.vm.*", "bioxen.tel.chassis.*"],
])("%s and %s do not overlap", (one, other) => {
  expect(subjectsOverlap(one, other)).toBe(false);
  expect(subjectsOverlap(other, one)).toBe(false);
});
