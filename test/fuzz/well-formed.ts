/**
 * Makes well-formed requests of an endpoint from its JSON Schema, with the ids that exist in the cluster of the run.
 *
 * It knows nothing about single endpoints: a new endpoint of the catalogue is covered at once. What a JSON Schema does
 * not say (a rule over two fields) is decided by the endpoint's own schema, and another request is made.
 */
import { ENDPOINTS, type Endpoint } from "@bioxen/contracts";
import type { Random } from "./random.ts";

// biome-ignore lint/suspicious/noExplicitAny: a JSON Schema is any JSON.
export type Schema = any;

/** The ids that the requests of a run name. They are few, so that a run of any length makes a cluster of bounded size. */
const CREATED = ["fz-run", "fz-pause", "fz-new", "fz-a", "fz-b", "fz-c"];
const VMS = [...CREATED, "fz-absent"];
const OWN_CHASSIS = ["fz-c1", "fz-c2", "fz-c3"];
const CHASSIS = ["ecoli-1", "ecoli-2", ...OWN_CHASSIS];
const SNAPSHOTS = ["fz-s1", "fz-s2"];
const RULES = ["fz-r1", "fz-r2"];
const PROGRAMS = ["return 1", "return nil", "error('x')", "return string.rep('a', 100)", "syntax error", ""];
const CURSORS = ["0:a:0", "1:fz-run:0", "7:fz-run:3", "999999999999999:z:9", "fz-run", "next", "", "1::1"];

const BY_NAME: Readonly<Record<string, readonly string[]>> = {
  vmId: VMS,
  newVmId: CREATED,
  by: VMS,
  holder: VMS,
  vmIds: VMS,
  chassisId: CHASSIS,
  fromChassisId: CHASSIS,
  toChassisId: CHASSIS,
  chassisType: ["ecoli", "yeast", "orthogonal", "no-such-type"],
  chassisTypes: ["ecoli", "yeast", "no-such-type"],
  snapshotId: SNAPSHOTS,
  fromSnapshotId: SNAPSHOTS,
  checkpointId: SNAPSHOTS,
  agentId: ["fz-agent"],
  ruleId: RULES,
  label: ["fz", "fz=1", "team=fuzz"],
  source: PROGRAMS,
  program: PROGRAMS,
  cursor: CURSORS,
};
/** Texts for all other fields; the first that fit the schema are taken. */
const TEXTS = [
  "fz",
  "fz-text",
  "50%",
  "a=b",
  "0".repeat(64),
  "x".repeat(63),
  "2026-01-01T00:00:00Z",
  "ä😀",
  "",
  "https://fz.invalid/a",
  "00000000-0000-4000-8000-0123456789ab",
];
const NAMES = ["fz", "team", "a.b/c", "note"];
/** Objects and arrays below this depth are as small as their schema allows. */
const SMALL_BELOW = 4;
/** Share of the optional fields that are present. */
const OPTIONAL_SHARE = 0.35;
/** The fields without which a request of the run would make the cluster grow with the number of requests. */
const ALWAYS_PRESENT = new Set(["vmId", "snapshotId"]);
const MAX_TRIES = 200;

const schemas = new WeakMap<Endpoint["request"], Schema>();

function jsonSchemaOf(request: Endpoint["request"]): Schema {
  let schema = schemas.get(request);
  if (schema === undefined) {
    schema = request.toJSONSchema({ io: "input", unrepresentable: "any" });
    schemas.set(request, schema);
  }
  return schema;
}

/** Returns the names of all fields of a request, of each of its forms. */
export function fieldNamesOf({ request }: Endpoint): string[] {
  const root = jsonSchemaOf(request);
  const forms: readonly Schema[] = root.anyOf ?? [root];
  return [...new Set(forms.flatMap(({ properties = {} }) => Object.keys(properties)))];
}

/** Returns a request that the endpoint's schema accepts. Throws when none is found: the maker must then learn a field. */
export function wellFormed(random: Random, { request, subject }: Endpoint): unknown {
  const root = jsonSchemaOf(request);
  let last: unknown;
  for (let i = 0; i < MAX_TRIES; i += 1) {
    const made = new Maker(random, root, subject).value(root, "", 0);
    const parsed = request.safeParse(made);
    if (parsed.success) return made;
    last = { made, problems: parsed.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`) };
  }
  throw new Error(`no well-formed request of ${subject} was found: ${JSON.stringify(last)}`);
}

class Maker {
  readonly #random: Random;
  readonly #root: Schema;
  readonly #subject: string;

  constructor(random: Random, root: Schema, subject: string) {
    this.#random = random;
    this.#root = root;
    this.#subject = subject;
  }

  value(schema: Schema, name: string, depth: number): unknown {
    if (schema.$ref !== undefined) return this.value(this.#referred(schema.$ref), name, depth);
    if (schema.const !== undefined) return schema.const;
    if (schema.enum !== undefined) return this.#random.pick(schema.enum);
    const choices = schema.anyOf ?? schema.oneOf;
    if (choices !== undefined) return this.#choice(choices, name, depth);
    if (schema.allOf !== undefined) return this.value(schema.allOf[0], name, depth);
    switch (schema.type) {
      case "object":
        return this.#object(schema, depth);
      case "array":
        return this.#array(schema, name, depth);
      case "string":
        return this.#string(schema, name);
      case "integer":
      case "number":
        return this.#number(schema);
      case "boolean":
        return this.#random.chance(0.5);
      case "null":
        return null;
      default:
        return this.#random.pick([null, 1, "fz", true]);
    }
  }

  #referred(path: string): Schema {
    const steps = path.split("/").slice(1);
    return steps.reduce((schema, step) => schema[step], this.#root);
  }

  #choice(choices: readonly Schema[], name: string, depth: number): unknown {
    const flat = choices.filter(({ type }) => type !== "object" && type !== "array");
    return this.value(
      this.#random.pick(depth >= SMALL_BELOW && flat.length > 0 ? flat : choices),
      name,
      depth,
    );
  }

  #object(schema: Schema, depth: number): object {
    const made: Record<string, unknown> = {};
    const required: readonly string[] = schema.required ?? [];
    for (const [name, inner] of Object.entries<Schema>(schema.properties ?? {})) {
      const isPresent =
        required.includes(name) ||
        (depth === 0 && ALWAYS_PRESENT.has(name)) ||
        (depth < SMALL_BELOW && this.#random.chance(OPTIONAL_SHARE));
      if (isPresent) made[name] = this.value(inner, name, depth + 1);
    }
    const others = schema.additionalProperties;
    if (typeof others === "object" && schema.properties === undefined && depth < SMALL_BELOW) {
      const names: readonly string[] = schema.propertyNames?.enum ?? NAMES;
      for (const name of names) {
        if (this.#random.chance(OPTIONAL_SHARE)) made[name] = this.value(others, name, depth + 1);
      }
    }
    return made;
  }

  #array(schema: Schema, name: string, depth: number): unknown[] {
    const least = schema.minItems ?? 0;
    const length = this.#random.between(least, Math.min(schema.maxItems ?? 3, Math.max(least, 2)));
    return Array.from({ length }, () => this.value(schema.items ?? {}, name, depth + 1));
  }

  #string(schema: Schema, name: string): string {
    const { pattern, minLength = 0, maxLength = Number.POSITIVE_INFINITY } = schema;
    const matches = (text: string) =>
      text.length >= minLength &&
      text.length <= maxLength &&
      (pattern === undefined || new RegExp(pattern, "u").test(text));
    // Commands on chassis name those of the run; a drain of the chassis of the guests would leave nothing to test.
    const isOnChassis = name === "chassisId" && this.#subject.startsWith("bioxen.cmd.chassis.");
    const isCreated = name === "vmId" && this.#subject === ENDPOINTS.vmCreate.subject;
    const known = isOnChassis ? OWN_CHASSIS : isCreated ? CREATED : (BY_NAME[name] ?? []);
    const named = known.filter(matches);
    if (named.length > 0) return this.#random.pick(named);
    return this.#random.pick(TEXTS.filter(matches).slice(0, 3));
  }

  #number(schema: Schema): number {
    const least = schema.minimum ?? (schema.exclusiveMinimum === undefined ? 0 : schema.exclusiveMinimum + 1);
    const most = schema.maximum ?? Number.MAX_SAFE_INTEGER;
    return this.#random.pick([
      least,
      most,
      least + 1,
      this.#random.between(least, Math.min(most, least + 100)),
    ]);
  }
}
