import { expect, it } from "vitest";
import { covers } from "./subject-patterns.ts";

it("a pattern covers a subject when it matches everything that the subject matches", () => {
  const covered = [
    ["a.b", "a.b"],
    ["a.*", "a.b"],
    ["a.*", "a.*"],
    ["a.>", "a.b.c"],
    ["a.>", "a.*"],
    ["a.>", "a.>"],
    [">", "a"],
  ];
  for (const [pattern = "", subject = ""] of covered)
    expect([pattern, subject, covers(pattern, subject)]).toEqual([pattern, subject, true]);
  const other = [
    ["a.b", "a.c"],
    ["a.*", "a"],
    ["a.*", "a.b.c"],
    ["a.*", "a.>"],
    ["a.>", "a"],
    ["a.b", "a.*"],
    ["a.*.c", "a.>"],
  ];
  for (const [pattern = "", subject = ""] of other)
    expect([pattern, subject, covers(pattern, subject)]).toEqual([pattern, subject, false]);
});
