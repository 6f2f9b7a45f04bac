/**
 * `bioxen vm optimise`: compares the allocation of a cell with the smallest one that gives nearly its best growth.
 */

import { OPTIMISE_TOLERANCE_PERMILLE, steadyState } from "@bioxen/cell-models";
import { optimumOf } from "@bioxen/client";
import { DEFAULT_MODEL, otherModelOf, type VmView } from "@bioxen/contracts";
import type { Command } from "commander";
import { refused, usage } from "../outcome.ts";
import { doublingTime, inOptionOrder, resourceName } from "../quantities.ts";
import { say, sayJson, withSession } from "../run.ts";
import type { Session } from "../session.ts";
import { table } from "../table.ts";

export interface OptimumReport {
  readonly vmId: string;
  /** The present allocation of the VM, or its request when the VM is not placed, and the growth under it. */
  readonly present: {
    readonly allocation: Readonly<Record<string, number>>;
    readonly doublingTimeMinutes: number | null;
  };
  readonly optimum: {
    readonly allocation: Readonly<Record<string, number>>;
    readonly doublingTimeMinutes: number | null;
  };
  /**
   * The best growth that is possible with the free resources of the VM's chassis. The optimum grows slower by at most
   * the tolerance.
   */
  readonly best: { readonly doublingTimeMinutes: number | null };
  readonly tolerancePermille: number;
  readonly applied: boolean;
}

const EXAMPLES = `
Examples:
  bioxen vm optimise cell-1             show its allocation and the optimum
  bioxen vm optimise cell-1 --apply     resize it to the optimum`;

export function addOptimiseCommand(vm: Command): void {
  vm.command("optimise <id>")
    .description(
      "compute the smallest allocation that gives growth within 2 % of the best its chassis has room for",
    )
    .option("--apply", "resize the VM to it")
    .addHelpText("after", EXAMPLES)
    .action(async (vmId: string, options: { apply?: boolean }, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const report = await optimise(session, vmId, options.apply === true);
        if (json === true) sayJson({ ok: true, ...report });
        else say(optimumWords(report));
      });
    });
}

export async function optimise(session: Session, vmId: string, apply: boolean): Promise<OptimumReport> {
  const { vm } = await session.ask("vmGet", { vmId });
  if (vm.vmType !== "basic") throw usage(`${vmId} is of type ${vm.vmType}: only basic VMs have a cell model`);
  const other = otherModelOf(vm.config);
  if (other !== undefined)
    throw usage(`${vmId} is a cell of ${other}: only cells of ${DEFAULT_MODEL} have an optimum`);
  const optimum = optimumOf(vm, await reachOf(session, vm));
  const present = vm.allocation ?? vm.request;
  const now = steadyState({
    biologicalType: vm.biologicalType,
    parameterSet: vm.config["parameterSet"] === "weisse-2015" ? "weisse-2015" : undefined,
    environment: vm.environment,
    allocation: present,
  });
  if (apply) {
    const reply = await session.call("vmResize", { vmId, resources: optimum.allocation });
    if (!reply.ok) throw refused(reply.error);
  }
  return {
    vmId,
    present: { allocation: present, doublingTimeMinutes: now.doublingTimeMinutes },
    optimum: { allocation: optimum.allocation, doublingTimeMinutes: optimum.doublingTimeMinutes },
    best: { doublingTimeMinutes: optimum.best.doublingTimeMinutes },
    tolerancePermille: OPTIMISE_TOLERANCE_PERMILLE,
    applied: apply,
  };
}

/**
 * Returns the largest allocation that the VM can get: its own allocation plus the free resources of its chassis.
 * Returns undefined, which means no limit, when the VM is not placed.
 */
async function reachOf(session: Session, vm: VmView): Promise<Record<string, number> | undefined> {
  if (vm.chassisId === null) return undefined;
  const { ledger } = await session.ask("ledgerGet", { chassisId: vm.chassisId });
  const names = new Set([...Object.keys(ledger.free), ...Object.keys(vm.allocation ?? {})]);
  return Object.fromEntries(
    [...names].map((name) => [name, (ledger.free[name] ?? 0) + (vm.allocation?.[name] ?? 0)]),
  );
}

function optimumWords(report: OptimumReport): string {
  const { vmId, applied } = report;
  const end = applied ? "resized to the optimum" : `resize it with: bioxen vm optimise ${vmId} --apply`;
  return `${optimumTable(report)}\n${end}`;
}

/** Returns a table that compares the present allocation with the optimum. */
export function optimumTable({ vmId, present, optimum, best, tolerancePermille }: OptimumReport): string {
  const rows = inOptionOrder(Object.keys(optimum.allocation)).map((name) => {
    const amount = optimum.allocation[name] ?? 0;
    const before = present.allocation[name] ?? 0;
    const change = before === 0 ? "" : `${(((amount - before) * 100) / before).toFixed(1)} %`;
    return [resourceName(name), String(before), String(amount), change];
  });
  rows.push([
    "doubling time",
    doublingTime(present.doublingTimeMinutes),
    doublingTime(optimum.doublingTimeMinutes),
    "",
  ]);
  const head = `${vmId}: within ${tolerancePermille / 10} % of the best its chassis has room for, ${doublingTime(best.doublingTimeMinutes)}`;
  return `${head}\n${table(["RESOURCE", "NOW", "OPTIMUM", "CHANGE"], rows)}`;
}
