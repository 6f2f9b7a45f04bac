import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { DEFECTS, problemWith } from "./defect-list.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

it.each(DEFECTS)("$name can still be injected", ({ changes }) => {
  const problems = changes.map((change) =>
    problemWith(change, readFileSync(join(ROOT, change.file), "utf8")),
  );
  expect(problems.filter((problem) => problem !== undefined)).toEqual([]);
});
