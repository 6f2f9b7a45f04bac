/**
 * The problems of the create requests that the combinations of a sweep make, each at the place of the file that it comes
 * from. What a create would refuse is found here, before the first VM exists.
 *
 * A value that is wrong by itself is found by a combination with the first values of the other fields. Values that do not
 * fit each other, such as a biological type and a parameter set, are found by all combinations. A program fits every
 * other field, and to check this long text takes long, so each program is checked once.
 */
import { cellProblems } from "../cell-config.ts";
import { problemsOf } from "../endpoints/endpoint.ts";
import { createRequest } from "../endpoints/placement.ts";
import type { Problem } from "../endpoints/problem.ts";
import { checkedBy } from "../issue-words.ts";
import { BUILT_IN_MODELS, otherModelOf, withDemand } from "../models.ts";
import { resourceProblems } from "../resource-problems.ts";
import { choicesOf, combinationCount, type Json, type SweptField, withValue } from "./sweep.ts";

/** The value of each swept field in one combination, by its index in the field's values. */
type Choices = readonly number[];

/** Returns every problem of every combination once. `labels` are those of every VM. */
export function combinationProblems(
  base: Json,
  fields: readonly SweptField[],
  labels: Readonly<Record<string, string>>,
): Problem[] {
  const found = new Map<string, Problem>();
  const check = (object: Json, swept: readonly SweptField[], choices: Choices) => {
    for (const problem of problemsWith({ ...object, labels }, swept, choices)) {
      found.set(`${problem.path} ${problem.message}`, problem);
    }
  };
  const firsts = fields.map(() => 0);
  check(base, fields, firsts);
  const { program: _program, ...shorter } = base;
  for (const [at, { values }] of fields.entries()) {
    for (let value = 1; value < values.length; value += 1) check(shorter, fields, firsts.with(at, value));
  }
  if (found.size > 0) return [...found.values()];
  const others = fields.filter(({ name }) => name !== "program");
  const count = combinationCount(others);
  for (let index = 0; index < count; index += 1) check(shorter, others, choicesOf(others, index));
  return [...found.values()];
}

function problemsWith(base: Json, fields: readonly SweptField[], choices: Choices): Problem[] {
  let request = base;
  for (const [at, { name, values }] of fields.entries()) {
    const placed = withValue(request, name, values[choices[at] as number]);
    // One swept field has put a value on the way of another one, such as a text for an object.
    if (!placed.ok) return [{ path: `sweep.${name}`, message: `has no place in the value of ${placed.at}` }];
    request = placed.value;
  }
  const parsed = checkedBy(createRequest, request);
  const problems = parsed.success
    ? [
        // The resources of another model are known to the services that know the model.
        ...(otherModelOf(parsed.data.config) === undefined
          ? resourceProblems(withDemand(parsed.data, BUILT_IN_MODELS), parsed.data.resources)
          : []),
        ...cellProblems(parsed.data),
        ...(parsed.data.config["lineage"] === "both"
          ? [
              {
                path: "config.lineage",
                message: "must be one: the VMs of an experiment are those of its plan",
              },
            ]
          : []),
      ]
    : problemsOf(parsed.error, createRequest);
  return problems.map((problem) => ({ ...problem, path: pathInFile(problem.path, base, fields, choices) }));
}

/** Returns the path in the file of a problem at `path` of a create request. */
function pathInFile(path: string, base: Json, fields: readonly SweptField[], choices: Choices): string {
  for (const [at, { name }] of fields.entries()) {
    if (path === name || path.startsWith(`${name}.`)) {
      return `sweep.${name}.${choices[at]}${path.slice(name.length)}`;
    }
    const [root = ""] = path.split(".");
    if (name.startsWith(`${path}.`) && !Object.hasOwn(base, root)) return `sweep.${name}`;
  }
  return `base.${path}`;
}
