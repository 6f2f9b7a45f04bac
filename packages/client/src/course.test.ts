import { expect, it } from "vitest";
import { courseOf } from "./course.ts";

it("a course has its rows by column, with null where a value does not exist", () => {
  const columns = [
    { name: "minute", unit: "min" },
    { name: "branch", unit: "1" },
    { name: "doublingTimeMinutes", unit: "min" },
  ];
  const rows = [
    [0, 0, 105],
    [10, 0, null],
    [5, 1, 0],
  ];
  expect(courseOf({ columns, rows })).toEqual({
    columns,
    values: { minute: [0, 10, 5], branch: [0, 0, 1], doublingTimeMinutes: [105, null, 0] },
    length: 3,
  });
  expect(courseOf({ columns, rows: [] })).toEqual({
    columns,
    values: { minute: [], branch: [], doublingTimeMinutes: [] },
    length: 0,
  });
});
