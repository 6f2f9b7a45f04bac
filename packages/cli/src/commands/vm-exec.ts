/**
 * `bioxen vm exec`: runs a program in a guest.
 */
import { ENDPOINTS } from "@bioxen/contracts";
import type { Command } from "commander";
import { execOutputOf } from "../exec-output.ts";
import { usage } from "../outcome.ts";
import { numberOf, readSource } from "../parse.ts";
import { showReply, withSession } from "../run.ts";

const EXEC_EXAMPLE = `
Example:
  bioxen vm exec c1 -e 'return cell.growth_rate()'
  bioxen vm exec x1 --shell -e 'uname -a'           shell in a machine of a pool; needs SSH, see docs/how-to/xcpng.md`;

export function addExecCommand(vm: Command): void {
  vm.command("exec <id> [file]")
    .description("run Lua in a running cell, or shell in a running machine of a pool; - reads standard input")
    .option("-e, --eval <source>", "source text, in place of a file")
    .option(
      "--timeout-ms <n>",
      "time limit of the program, ms; default 5000",
      numberOf(ENDPOINTS.vmExec.request.shape.timeoutMs),
    )
    .option("--shell", "run shell in the machine also where it has a cell (xcpng)")
    .option("--read-only", "run it on a copy of the cell, which stays as it is")
    .addHelpText("after", EXEC_EXAMPLE)
    .action(async (vmId: string, file: string | undefined, options, command: Command) => {
      if ((options.eval === undefined) === (file === undefined))
        throw usage("give either -e SOURCE or a file");
      await withSession(command, async (session, { json }) => {
        const source: string = options.eval ?? (await readSource(file ?? "-"));
        const timeout = options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs as number };
        const shell = options.shell === true ? { shell: true } : {};
        const readOnly = options.readOnly === true ? { readOnly: true } : {};
        const reply = await session.call("vmExec", { vmId, source, ...timeout, ...shell, ...readOnly });
        if (json !== true) {
          const { stdout, stderr } = execOutputOf(reply);
          process.stdout.write(stdout);
          process.stderr.write(stderr);
        }
        if (json === true || !reply.ok) showReply(reply, json === true, String);
      });
    });
}
