/**
 * What a VM of a pool asks of the cell in its machine. Its driver has the same list (`cell-settings.ts` of driver-xcpng),
 * and a test of the agent compares both.
 */
import { CELL_SETTINGS } from "./cell-config.ts";
import type { Vm } from "./fold/vm-state.ts";
import { endsWithAgent } from "./resources.ts";

/**
 * Returns the names of what needs a cell, such as `ribosomes` or `program`: the VM's start then waits for the guest agent
 * in its machine. Empty for a VM that runs without a cell as well; undefined for a VM that is no machine.
 */
export function cellNeedsOf({
  vmType,
  cell = {},
  environment,
  config,
  program,
}: Pick<Vm, "vmType" | "cell" | "environment" | "config" | "program">): string[] | undefined {
  if (endsWithAgent(vmType)) return undefined;
  return [
    ...Object.keys(cell),
    ...Object.keys(environment).map((name) => `environment.${name}`),
    ...CELL_SETTINGS.filter((name) => config[name] !== undefined).map((name) => `config.${name}`),
    ...(program === null ? [] : ["program"]),
  ];
}
