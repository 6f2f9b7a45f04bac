import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { permissionsDocument } from "../src/document.ts";
import { rolesTable, withRoles } from "../src/roles-document.ts";

it("docs/permissions.md is what the catalogue says: run `pnpm run docs`", () => {
  const path = new URL("../../../docs/permissions.md", import.meta.url);
  expect(readFileSync(path, "utf8")).toBe(permissionsDocument());
});

it("the roles in docs/security.md are what the catalogue and the accounts say: run `pnpm run docs`", () => {
  const text = readFileSync(new URL("../../../docs/security.md", import.meta.url), "utf8");
  expect(text).toBe(withRoles(text));
  expect(text).toContain(rolesTable());
  expect(() => withRoles("# Security")).toThrow("lacks");
});

it("the table says of each role what the contract says", () => {
  const rows = new Map(
    rolesTable()
      .split("\n")
      .map((line) => line.split("|").map((cell) => cell.trim()))
      .map(([, role, ...cells]) => [role, cells.slice(0, -1)]),
  );
  const everything = "the log, all telemetry, the state of the streams";
  expect(rows.get("`admin`")).toEqual([
    "every public command",
    "every public query",
    "of all owners",
    everything,
  ]);
  expect(rows.get("`operator`")?.[0]).toBe("every public command but `vm.transfer`, `quota.set`");
  expect(rows.get("`observer`")).toEqual(["no command", "every public query", "none", everything]);
  expect(rows.get("`tenant`")?.[0]).toMatch(/^for its own: `vm\.create`, /);
  expect(rows.get("`tenant`")?.slice(2)).toEqual(["its own", "its own feed"]);
  expect(rows.get("`agent`")?.slice(1)).toEqual(["`chassis.get`", "none", "the log"]);
});
