/**
 * `bioxen events …`: the log itself, read without asking any service.
 */
import { Fault, messageOf, type StoredEvent } from "@bioxen/kernel";
import { LogVerifier, type VerifierReport } from "@bioxen/log-verifier";
import { Command } from "commander";
import { CommandEnd, EXIT_REFUSED, usage } from "../outcome.ts";
import { integerOption } from "../parse.ts";
import { say, sayJson, withSession } from "../run.ts";
import { type Session, walkLog } from "../session.ts";
import { paint } from "../terminal.ts";
import { untilInterrupted } from "../until.ts";

/** Walks the whole log with the verifier; an event that cannot be read is a violation and the end. */
export async function verifyLog(session: Session): Promise<VerifierReport> {
  return (await walkWithVerifier(session)).report();
}

async function walkWithVerifier(session: Session): Promise<LogVerifier> {
  const verifier = new LogVerifier();
  const log = await session.eventLog();
  const cause = await walkLog(log, (event) => verifier.observe(event));
  if (cause instanceof Fault && cause.code === "CORRUPT_EVENT") {
    verifier.unreadable(Number(cause.details["seq"] ?? 0), messageOf(cause));
  } else if (cause !== undefined) throw cause;
  return verifier;
}

export function showReport(report: VerifierReport, json: boolean, of = "events"): void {
  if (json) sayJson(report);
  else {
    say(`${report.events} ${of} of ${report.aggregates} aggregates, ${report.violations.length} violations`);
    for (const { seq, subject, rule, message } of report.violations)
      say(`  #${seq} ${subject}: ${rule}: ${message}`);
  }
  if (report.violations.length > 0) throw new CommandEnd(EXIT_REFUSED, "");
}

function eventLine({ seq, envelope }: StoredEvent): string {
  const { time, subject, type, source, data } = envelope;
  const name = type.replace(/^bioxen\.\w+\.|\.v\d+$/g, "");
  return `${paint("grey", `#${seq} ${time}`)} ${subject} ${paint("bold", name)} ${paint("grey", `by ${source.replace("/bioxen/", "")}`)} ${JSON.stringify(data)}`;
}

export function addEventCommands(program: Command): void {
  const events = program.command("events").description("the append-only log");
  events
    .command("verify")
    .description("walk the whole log and check it")
    .action(async (_options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        showReport(await verifyLog(session), json === true);
      });
    });
  events
    .command("seal")
    .description("one digest of the whole log, to be quoted: it changes when any event does")
    .action(async (_options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const verifier = await walkWithVerifier(session);
        const { events: count, lastSeq, violations } = verifier.report();
        if (violations.length > 0)
          throw new CommandEnd(EXIT_REFUSED, "a log with violations is not sealed: see `events verify`");
        const digest = verifier.seal();
        if (json === true) sayJson({ ok: true, events: count, lastSeq, digest });
        else say(`${digest}  ${count} events up to #${lastSeq}`);
      });
    });
  events
    .command("show <seq>")
    .description("one event")
    .action(async (text: string, _options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const seq = integerOption(text);
        let found: StoredEvent | undefined;
        const keep = (event: StoredEvent) => {
          found ??= event;
        };
        const cause = await walkLog(await session.eventLog(), keep, { fromSeq: seq, toSeq: seq });
        if (cause !== undefined) throw cause;
        if (found === undefined) throw usage(`there is no event ${seq}`);
        if (json === true) sayJson({ seq, ...found.envelope });
        else say(JSON.stringify({ seq, ...found.envelope }, null, 2));
      });
    });
  events
    .command("tail")
    .description("events as they come, until Ctrl-C")
    .option("--from <seq>", "begin with this event; default: with the next", integerOption)
    .option("--no-follow", "end at the end of the log")
    .action(async (options: { from?: number; follow: boolean }, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const log = await session.eventLog();
        const show = (event: StoredEvent) => {
          if (json === true) sayJson({ seq: event.seq, ...event.envelope });
          else say(eventLine(event));
        };
        const fromSeq = options.from ?? (await log.lastSeq()) + 1;
        if (!options.follow) {
          const cause = await walkLog(log, show, { fromSeq });
          if (cause !== undefined) throw cause;
          return;
        }
        const stopped = new Promise<never>((_resolve, reject) => {
          void log
            .follow({ fromSeq, onEvent: show, onCaughtUp: () => undefined, onStop: reject })
            .catch(reject);
        });
        await Promise.race([stopped, untilInterrupted()]);
      });
    });
  addLedgerVerify(program);
}

function addLedgerVerify(program: Command): void {
  const ledger = program.commands.find((command) => command.name() === "ledger") ?? new Command("ledger");
  ledger
    .command("verify")
    .description("check every account over the whole log")
    .action(async (_options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const report = await verifyLog(session);
        const violations = report.violations.filter((v) => v.subject.startsWith("ledger/"));
        showReport({ ...report, violations }, json === true);
      });
    });
}
