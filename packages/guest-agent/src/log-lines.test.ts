import { expect, it } from "vitest";
import { MAX_KEPT_LINES, MAX_LOG_REPLY_CHARS } from "./limits.ts";
import { LogLines } from "./log-lines.ts";

it("numbers the lines, and keeps the latest ones", () => {
  const log = new LogLines();
  expect(log.after(0)).toEqual({ lines: [], next: 0 });
  for (let i = 1; i <= MAX_KEPT_LINES + 5; i += 1) log.add(`line ${i}`);
  expect(log.after(0).lines[0]).toEqual({ seq: 6, line: "line 6" });
  expect(log.after(MAX_KEPT_LINES + 4).lines).toHaveLength(1);
  expect(log.after(MAX_KEPT_LINES + 5)).toEqual({ lines: [], next: MAX_KEPT_LINES + 5 });
});

it("starts again for a caller that knows the numbers of an earlier agent", () => {
  const log = new LogLines();
  log.add("first");
  expect(log.after(900)).toEqual({ lines: [{ seq: 1, line: "first" }], next: 1 });
});

it("gives what fits into one reply, and the rest in the next one", () => {
  const log = new LogLines();
  const line = "x".repeat(MAX_LOG_REPLY_CHARS / 4);
  for (let i = 0; i < 6; i += 1) log.add(line);
  const { lines, next } = log.after(0);
  expect(lines).toHaveLength(4);
  expect(log.after(next).lines.map(({ seq }) => seq)).toEqual([5, 6]);
});
