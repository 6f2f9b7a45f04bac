/**
 * XAPI's own datamodel and list of error codes, where they are beside this checkout: they are not ours to carry.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

interface Typed {
  readonly name: string;
  readonly type: string;
}

interface DatamodelClass {
  readonly name: string;
  readonly fields: readonly Typed[];
  readonly messages: readonly {
    readonly name: string;
    readonly params: readonly (Typed & { readonly required: boolean })[];
    readonly result: readonly [string, string];
  }[];
}

export interface Reference {
  readonly classes: ReadonlyMap<string, DatamodelClass>;
  readonly codes: ReadonlySet<string>;
}

/** Looked for in `shared/reference/xapi` of every folder above; undefined where it is not. */
export function xapiReference(): Reference | undefined {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const path = join(folder, "shared", "reference", "xapi");
    if (existsSync(join(path, "datamodel.json"))) {
      const read = (name: string) => readFileSync(join(path, name), "utf8");
      const classes = JSON.parse(read("datamodel.json")) as DatamodelClass[];
      const codes = read("error-codes.txt")
        .split("\n")
        .filter((line) => line !== "");
      return { classes: new Map(classes.map((one) => [one.name, one])), codes: new Set(codes) };
    }
    if (folder === dirname(folder)) return undefined;
  }
}
