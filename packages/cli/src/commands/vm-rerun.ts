/**
 * `bioxen vm rerun`: computes a VM again from its events, and compares it with what was recorded.
 */
import { simMinute } from "@bioxen/contracts";
import type { ThreadModel } from "@bioxen/driver-basic";
import { messageOf } from "@bioxen/kernel";
import { type Command, Option } from "commander";
import { CommandEnd, EXIT_REFUSED, usage } from "../outcome.ts";
import { given, numberOf } from "../parse.ts";
import type { Comparison } from "../rerun/compared.ts";
import { type HistoryEvent, NotReproducible, recordedCells } from "../rerun/recorded-cells.ts";
import { say, sayJson, withSession } from "../run.ts";
import type { Session } from "../session.ts";

interface RerunOptions {
  readonly until?: number;
  readonly cellModel?: readonly string[];
}

/** The variable that names the same packages for an agent. */
const MODEL_VARIABLE = "BIOXEN_CELL_MODEL";
const MODEL_OPTION = "--cell-model";

export function addRerunCommand(vm: Command): void {
  vm.command("rerun <id>")
    .description(
      "compute a VM again from its events, and compare it with its recorded course and stored states",
    )
    .option(
      "--until <minute>",
      "last simulated minute that is compared; default: the last recorded one",
      numberOf(simMinute),
    )
    .addOption(
      new Option(
        `${MODEL_OPTION} <list>`,
        "packages of cell models that are not built in, separated by commas; install them where you run this",
      )
        .env(MODEL_VARIABLE)
        .argParser(namesOf),
    )
    .addHelpText(
      "after",
      "\nThe exit code is 0 if everything agrees, and 1 at the first difference.\n\nExample:\n  bioxen vm rerun c1 --until 600",
    )
    .action(async (vmId: string, options: RerunOptions, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const { rows, states, difference } = await comparisonOf(session, vmId, options);
        if (json === true) sayJson({ ok: true, rows, states, difference: difference ?? null });
        else say(words(vmId, { rows, states, difference }));
        if (difference !== undefined) process.exitCode = EXIT_REFUSED;
      });
    });
}

async function comparisonOf(session: Session, vmId: string, options: RerunOptions): Promise<Comparison> {
  const { events } = await session.ask("vmHistory", { vmId });
  const { rerun } = await import("../rerun/rerun.ts");
  const models = await modelsOf(options.cellModel ?? []);
  try {
    // The schema of a history names a few fields of an event only; each of its events is a whole one.
    const recorded = recordedCells(vmId, events as readonly object[] as HistoryEvent[]);
    const course = recorded.vm.record === undefined ? undefined : await session.ask("courseGet", { vmId });
    return await rerun(vmId, recorded, course, { ...given({ until: options.until }), models });
  } catch (thrown) {
    if (!(thrown instanceof NotReproducible)) throw thrown;
    const message = `${vmId} cannot be computed again: ${thrown.message}`;
    throw new CommandEnd(EXIT_REFUSED, message, { code: "UNSUPPORTED", message, retryable: false });
  }
}

function namesOf(list: string): string[] {
  return list
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

/** Returns the models of these packages; threads import them. Throws the end of the command for a package without one. */
async function modelsOf(packages: readonly string[]): Promise<ThreadModel[]> {
  if (packages.length === 0) return [];
  const { extensionUrl } = await import("@bioxen/service-host/extensions");
  const { cellModelDeclaration } = await import("@bioxen/driver-basic");
  const modelIn = async (packageName: string): Promise<ThreadModel> => {
    const url = extensionUrl(packageName, MODEL_OPTION);
    try {
      return { name: (await cellModelDeclaration(url)).name, url };
    } catch (thrown) {
      throw new Error(`${MODEL_OPTION}: ${packageName}: ${messageOf(thrown)}`);
    }
  };
  try {
    return await Promise.all(packages.map(modelIn));
  } catch (thrown) {
    throw usage(messageOf(thrown));
  }
}

/** Returns how much agrees, and the first difference. */
function words(
  vmId: string,
  { rows, states, difference }: Pick<Comparison, "rows" | "states" | "difference">,
): string {
  const agreed = `${vmId}: ${rows} rows and ${states} stored states agree`;
  if (difference === undefined) return agreed;
  const { minute, branch, column, recorded, computed } = difference;
  return `${agreed}, then minute ${minute} of branch ${branch} differs in ${column}: recorded ${recorded}, computed ${computed}`;
}
