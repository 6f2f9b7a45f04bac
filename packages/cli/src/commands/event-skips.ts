/**
 * `bioxen events skip` lets the services ignore a message of the log that no service can read. `bioxen events unskip`
 * takes a skip back.
 */
import { hostname, userInfo } from "node:os";
import { ENDPOINTS, type ResultOf } from "@bioxen/contracts";
import { Argument, type Command } from "commander";
import { sequenceOption } from "../parse.ts";
import { showReply, withSession } from "../run.ts";

interface SkipOptions {
  readonly reason: string;
  readonly force?: boolean;
}

const EXAMPLES = `
The message stays in the log, and its skip is recorded. Its VM, chassis, ledger, quota or rule goes on as if the message
did not exist.

Examples:
  bioxen doctor                                          names the message
  bioxen events skip 1207 --reason "published by a test"
  bioxen events skip 1207 --force --reason "the release that wrote it is gone"`;

export function addSkipCommands(events: Command): void {
  const sequence = () => new Argument("<seq>", "sequence of the message").argParser(sequenceOption);
  events
    .command("skip")
    .addArgument(sequence())
    .description("leave out a message that no service can read")
    .requiredOption("--reason <text>", "why; it is recorded in the log")
    .option("--force", "also leave out a message of a newer release, whose meaning is then lost")
    .addHelpText("after", EXAMPLES)
    .action(async (seq: number, { reason, force }: SkipOptions, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const reply = await session.call("logSkip", { seq, reason, by: operator(), force: force === true });
        showReply(reply, json === true, skipWords);
      });
    });
  events
    .command("unskip")
    .addArgument(sequence())
    .description(
      "take a skip back, for example after an upgrade; refused once its aggregate has a later message",
    )
    .requiredOption("--reason <text>", "why; it is recorded in the log")
    .action(async (seq: number, { reason }: SkipOptions, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const reply = await session.call("logUnskip", { seq, reason, by: operator() });
        showReply(reply, json === true, ({ changed }) =>
          changed ? `event ${seq} counts again` : `event ${seq} is not skipped`,
        );
      });
    });
}

function skipWords({ changed, skipped }: ResultOf<"logSkip">): string {
  const { seq, subject, problem } = skipped;
  return changed
    ? `event ${seq} on ${subject} is skipped: ${problem}`
    : `event ${seq} on ${subject} was skipped already, by ${skipped.by}: ${skipped.reason}`;
}

/** Returns the name of the operator for the record of a skip: `user@host`, at most 128 characters. */
function operator(): string {
  const { by } = ENDPOINTS.logSkip.request.shape;
  return by.parse(`${userInfo().username}@${hostname()}`.slice(0, 128));
}
