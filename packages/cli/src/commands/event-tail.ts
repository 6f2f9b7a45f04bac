/**
 * `bioxen events tail`: prints the events of the log, all or a selection.
 */
import { type EventFilter, isSelected, walkLog } from "@bioxen/contracts";
import type { EventLog, StoredEvent, UnreadableMessage } from "@bioxen/kernel";
import type { FollowedLog } from "@bioxen/nats";
import type { Command } from "commander";
import { firstSince, sinceOption, typeOption } from "../event-filter.ts";
import { usage } from "../outcome.ts";
import { sequenceOption } from "../parse.ts";
import { requireInLog } from "../past.ts";
import { note, say, sayJson, withSession } from "../run.ts";
import { untilInterrupted } from "../until.ts";
import { eventLine, unreadableLine } from "./event-words.ts";

interface TailOptions extends EventFilter {
  readonly from?: number;
  readonly follow: boolean;
}

const EXAMPLES = `
Examples:
  bioxen events tail --vm c1 --no-checkpoints
  bioxen events tail --since 15m --type vm.placed,ledger --no-follow
  bioxen events tail --principal alice --no-follow`;

function addFilterOptions(tail: Command): Command {
  return tail
    .option(
      "--vm <id>",
      "only events of this VM; repeat it for several",
      (id: string, before: string[] = []) => [...before, id],
    )
    .option(
      "--type <type>",
      "only this type, such as vm.placed, placed or ledger; several separated by commas",
      typeOption,
    )
    .option(
      "--since <when>",
      "begin at this age (90s, 15m, 2h, 1d) or time (2026-11-25T10:00:00Z)",
      sinceOption,
    )
    .option(
      "--principal <name>",
      "only events that this principal decided: a name, agent:ID, service:NAME or anonymous",
    )
    .option("--no-checkpoints", "leave out stored states of guests: one for each VM and minute");
}

export function addTailCommand(events: Command): void {
  addFilterOptions(
    events
      .command("tail")
      .description("print events as they are stored, until Ctrl-C; with --no-follow until the end of the log")
      .option(
        "--from <seq>",
        "begin at this sequence; default: the next event, with --no-follow the first",
        sequenceOption,
      )
      .option("-f, --follow", "follow until Ctrl-C (the default)", true)
      .option("--no-follow", "stop at the end of the log"),
  )
    .addHelpText("after", EXAMPLES)
    .action(async (options: TailOptions, command: Command) => {
      if (options.from !== undefined && options.since !== undefined)
        throw usage("--from and --since exclude each other: both say where to begin");
      await withSession(command, async (session, { json }) => {
        const log = await session.followedLog();
        if (options.from !== undefined) await requireInLog(log, options.from, options.follow);
        const fromSeq = await firstSeq(log, options);
        const show = ({ seq, envelope }: StoredEvent) => {
          if (!isSelected(envelope, options)) return;
          if (json === true) sayJson({ seq, ...envelope });
          else say(eventLine(seq, envelope));
        };
        const showUnreadable = (message: UnreadableMessage) => {
          if (json === true) note(unreadableLine(message));
          else say(unreadableLine(message));
        };
        if (options.follow) return follow(log, fromSeq, show, showUnreadable);
        const walk = { fromSeq, onUnreadable: showUnreadable, stallMs: session.timeoutMs };
        const cause = await walkLog(log, show, walk);
        if (cause !== undefined) throw cause;
      });
    });
}

async function firstSeq(log: FollowedLog, { from, since, follow }: TailOptions): Promise<number> {
  if (from !== undefined) return from;
  if (since !== undefined) {
    // The feed of a tenant cannot be searched by time: it is read from its beginning, and earlier events are left out.
    return isSearchable(log) ? firstSince(log, since, await log.lastSeq()) : 1;
  }
  return follow ? (await log.lastSeq()) + 1 : 1;
}

function isSearchable(log: FollowedLog): log is EventLog {
  return "messageAt" in log;
}

/** Prints events until Ctrl-C. Rejects when the log cannot be followed any more. */
async function follow(
  log: FollowedLog,
  fromSeq: number,
  onEvent: (event: StoredEvent) => void,
  onUnreadable: (message: UnreadableMessage) => void,
): Promise<void> {
  const stopped = new Promise<never>((_resolve, reject) => {
    const options = { fromSeq, onEvent, onUnreadable, onCaughtUp: () => undefined, onStop: reject };
    void log.follow(options).catch(reject);
  });
  await Promise.race([stopped, untilInterrupted()]);
}
