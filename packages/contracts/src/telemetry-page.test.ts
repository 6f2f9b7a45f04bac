/** The page on telemetry names every field of every sample, and no other. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { z } from "zod";
import { chassisSample, serviceSample, vmSample } from "./telemetry.ts";

const page = readFileSync(new URL("../../../docs/telemetry.md", import.meta.url), "utf8");
/** Fields whose parts are those of a request for resources. */
const AMOUNTS = new Set(["granted", "lent"]);

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
}

/** Returns the paths of all fields of a schema that have no fields of their own. `root` has the definitions. */
function pathsOf(schema: Schema, root: Schema, path = ""): string[] {
  if (AMOUNTS.has(path)) return [path];
  const referred = root.$defs?.[schema.$ref?.split("/").at(-1) ?? ""];
  if (referred !== undefined) return pathsOf(referred, root, path);
  if (schema.items !== undefined) return pathsOf(schema.items, root, `${path}[]`);
  if (schema.properties === undefined) return [path];
  return Object.entries(schema.properties).flatMap(([name, field]) =>
    pathsOf(field, root, path === "" ? name : `${path}.${name}`),
  );
}

/** Returns the names in the first column of the table under the heading that starts with `heading`. */
function fieldsUnder(heading: string): string[] {
  const section = page.split("\n## ").find((text) => text.startsWith(heading)) ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("| `"));
  return rows.flatMap((row) =>
    [...(row.split("|")[1] ?? "").matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? ""),
  );
}

it.each([
  ["A VM", vmSample],
  ["A chassis", chassisSample],
  ["A service", serviceSample],
] as const)("%s: the table has every field of the sample", (heading, schema) => {
  const root = z.toJSONSchema(schema, { io: "output" }) as Schema;
  const expected = pathsOf(root, root);
  expect(fieldsUnder(heading).sort()).toEqual(expected.sort());
});
