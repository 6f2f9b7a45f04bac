/**
 * `bioxen report` and `bioxen metrics export`: findings about the fleet, and its metrics over time.
 */
import { ENDPOINTS, type ResultOf } from "@bioxen/contracts";
import type { Command } from "commander";
import { numberOf, oneOf } from "../parse.ts";
import { say, sayJson, withSession } from "../run.ts";
import { paint, SEVERITY_COLOURS } from "../terminal.ts";

type Finding = ResultOf<"monitorReport">["findings"][number];

export function addReportCommands(program: Command): void {
  program
    .command("report")
    .description("report what limits the fleet, with remedies")
    .action(async (_options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const reply = await session.ask("monitorReport", {});
        if (json === true) sayJson(reply);
        else if (reply.findings.length === 0) say("no finding: nothing limits the fleet");
        else say(reply.findings.map(words).join("\n"));
      });
    });
  const metrics = program.command("metrics").description("metrics of the fleet");
  metrics
    .command("export")
    .description("export the fleet's metrics as JSON Lines, oldest first")
    .addOption(oneOf("--resolution <span>", "time between two points", ["1s", "1min", "1h"]).default("1s"))
    .option(
      "--since <ms>",
      "first instant, epoch ms",
      numberOf(ENDPOINTS.monitorHistory.request.shape.sinceMs),
      0,
    )
    .addHelpText("after", "\nExample: bioxen metrics export --resolution 1min > fleet.jsonl")
    .action(async (options: { resolution: "1s" | "1min" | "1h"; since: number }, command: Command) => {
      await withSession(command, async (session) => {
        const { resolution } = options;
        for (let sinceMs: number | null = options.since; sinceMs !== null; ) {
          const page: ResultOf<"monitorHistory"> = await session.ask("monitorHistory", {
            resolution,
            sinceMs,
          });
          for (const point of page.points) sayJson(point);
          sinceMs = page.nextSinceMs;
        }
      });
    });
}

function words({ severity, message, remedy }: Finding): string {
  return `${paint(SEVERITY_COLOURS[severity], severity.padEnd(8))} ${message}\n         → ${remedy}`;
}
