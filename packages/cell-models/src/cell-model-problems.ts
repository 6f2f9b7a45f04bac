/** The check of a cell model of another package, without the equations of any. */
import type { CellModel } from "./cell-model.ts";
import { declarationProblems } from "./model-declaration.ts";
import { WEISSE_DECLARATION } from "./weisse-declaration.ts";

/** Returns every reason why `value` is not a valid cell model; the list is empty for a valid model. */
export function cellModelProblems(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return ["is not an object"];
  const problems = declarationProblems(value);
  const { name, boot, restore } = value as Partial<CellModel>;
  if (name === WEISSE_DECLARATION.name) problems.push(`name: ${name} is the built-in model's`);
  if (typeof boot !== "function") problems.push("boot: is not a function");
  if (typeof restore !== "function") problems.push("restore: is not a function");
  return problems;
}
