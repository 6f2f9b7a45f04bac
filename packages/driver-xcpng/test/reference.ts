/**
 * Finds XAPI's own datamodel and list of error codes. The repository does not contain them; they may be in a folder
 * above it.
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
    /** The roles that may call the method. */
    readonly roles: readonly string[];
    readonly errors?: readonly { readonly name: string }[];
  }[];
}

export interface Reference {
  readonly classes: ReadonlyMap<string, DatamodelClass>;
  readonly codes: ReadonlySet<string>;
}

/** Reads both from `shared/reference/xapi` of the nearest folder above that has them; undefined when none has. */
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
