/**
 * `bioxen events …`: the log itself, read from the server without a service.
 */
import { eventSubject, LOG_SKIPS_ID, walkLog } from "@bioxen/contracts";
import { type ExpectedSeal, LogVerifier, skipsOf, type VerifierReport } from "@bioxen/log-verifier";
import { damageInWords } from "@bioxen/nats";
import { Argument, type Command, InvalidArgumentError } from "commander";
import { inspectionOf, noLossOf } from "../log-inspection.ts";
import { CommandEnd, EXIT_REFUSED } from "../outcome.ts";
import { sequenceOption } from "../parse.ts";
import { requireInLog } from "../past.ts";
import { wallClock } from "../quantities.ts";
import { noteRaw, say, sayJson, sayRaw, withSession } from "../run.ts";
import type { Session } from "../session.ts";
import { paint } from "../terminal.ts";
import { addAcceptance } from "./event-acceptance.ts";
import { CONTEXT_EVENTS, type EventInContext, eventInContext, referenceTo } from "./event-causes.ts";
import { decidedBy } from "./event-principals.ts";
import { addSkipCommands } from "./event-skips.ts";
import { addTailCommand } from "./event-tail.ts";
import { causeOf, whatHappened } from "./event-words.ts";

/**
 * Checks the whole log and returns the report. A message that cannot be read is a violation, unless it is skipped. A
 * missing message is a violation, unless its loss was accepted.
 */
export async function verifyLog(session: Session, seal?: ExpectedSeal): Promise<VerifierReport> {
  return (await walkWithVerifier(session, seal)).report();
}

async function walkWithVerifier(session: Session, seal?: ExpectedSeal): Promise<LogVerifier> {
  const inspection = await inspectionOf(session);
  if (inspection?.damage !== undefined && inspection.state === undefined) {
    throw new CommandEnd(EXIT_REFUSED, damageInWords(inspection.damage));
  }
  const log = await session.eventLog();
  const skips = skipsOf(await log.readMessages(eventSubject("log", LOG_SKIPS_ID), 0));
  const verifier = new LogVerifier(skips, { isNoLoss: noLossOf(inspection) });
  if (seal !== undefined) verifier.expectSeal(seal);
  const lastSeq = await log.lastSeq();
  const cause = await walkLog(log, (event) => verifier.observe(event), {
    stallMs: session.timeoutMs,
    onUnreadable: (message) => verifier.unreadable(message),
  });
  if (cause !== undefined) throw cause;
  verifier.end(lastSeq);
  if (inspection?.damage !== undefined) verifier.lost(inspection.damage.seq, inspection.damage.problem);
  return verifier;
}

const SEAL = /^([0-9a-f]{64})@([1-9]\d{0,15})$/;

function sealOption(text: string): ExpectedSeal {
  const [, digest, seq] = SEAL.exec(text) ?? [];
  if (digest === undefined) throw new InvalidArgumentError("must be DIGEST@SEQ, as `events seal` prints it.");
  return { digest, seq: Number(seq) };
}

/** Returns the lines that `events verify` prints: the counts, then one line for each violation. */
export function reportInWords(report: VerifierReport): string[] {
  const { events, aggregates, skipped, missingAccepted, notChained, violations } = report;
  const skips = skipped === 0 ? "" : `, ${skipped} skipped`;
  const missing = missingAccepted === 0 ? "" : `, ${missingAccepted} missing and accepted`;
  const old = notChained === 0 ? "" : `, ${notChained} not chained (older than the digest chain)`;
  return [
    `${events} events of ${aggregates} aggregates${skips}${missing}${old}, ${violations.length} violations`,
    ...violations.map(({ seq, subject, rule, message }) => `  #${seq} ${subject}: ${rule}: ${message}`),
  ];
}

function showReport(report: VerifierReport, json: boolean): void {
  if (json) sayJson(report);
  else for (const line of reportInWords(report)) say(line);
  if (report.violations.length > 0) throw new CommandEnd(EXIT_REFUSED, "");
}

export function addEventCommands(program: Command): void {
  const events = program.command("events").description("the append-only log");
  events
    .command("verify")
    .description("check the whole log; exit code 1 for a violation")
    .option("--seal <digest@seq>", "compare the events up to a sequence with an older seal", sealOption)
    .action(async (options: { seal?: ExpectedSeal }, command: Command) => {
      await withSession(command, async (session, { json }) => {
        showReport(await verifyLog(session, options.seal), json === true);
      });
    });
  events
    .command("seal")
    .description("print one digest of the whole log, to quote elsewhere: any changed event changes it")
    .action(async (_options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const verifier = await walkWithVerifier(session);
        const { events: count, lastSeq, violations } = verifier.report();
        if (violations.length > 0)
          throw new CommandEnd(
            EXIT_REFUSED,
            "the log has violations, so that it gets no seal: see `events verify`",
          );
        const digest = verifier.seal();
        const seal = `${digest}@${lastSeq}`;
        if (json === true) return sayJson({ ok: true, events: count, lastSeq, digest, seal });
        sayRaw(digest);
        say(`${count} events up to #${lastSeq}`);
        if (lastSeq > 0) noteRaw(`compare later:\n  bioxen events verify --seal ${seal}`);
      });
    });
  addShow(events);
  addTailCommand(events);
  addSkipCommands(events);
  addAcceptance(events);
}

function addShow(events: Command): void {
  events
    .command("show")
    .addArgument(new Argument("<seq>").argParser(sequenceOption))
    .description("show one event with its cause and its next effects")
    .action(async (seq: number, _options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const log = await session.eventLog();
        await requireInLog(log, seq);
        const found = await eventInContext(log, seq, session.timeoutMs);
        const effects = found.effects.map(referenceTo);
        if (json === true) sayJson({ seq, ...found.event.envelope, causedBy: found.causedBy, effects });
        else say(eventInWords(found));
      });
    });
}

function eventInWords({ event: { seq, envelope }, causedBy, effects }: EventInContext): string {
  const lines = [
    paint("bold", `#${seq} ${envelope.subject}: ${whatHappened(envelope)}`),
    `  when     ${wallClock(Date.parse(envelope.time))}, version ${envelope.aggregateversion} of ${envelope.subject}`,
    `  service  ${decidedBy(envelope)}`,
    ...(envelope.principal === undefined ? [] : [`  by       ${envelope.principal}`]),
    ...(envelope.onbehalfof === undefined ? [] : [`  for      ${envelope.onbehalfof}`]),
    ...(envelope.via === undefined ? [] : [`  via      ${envelope.via}`]),
    `  why      ${causeOf(envelope, causedBy)}`,
    `  chain    ${envelope.correlationid}`,
    `  id       ${envelope.id}`,
    `  type     ${envelope.type}`,
    ...effects.map((one) => `  effect   #${one.seq} ${one.envelope.subject}: ${whatHappened(one.envelope)}`),
  ];
  if (effects.length === 0) lines.push(`  effect   none within the next ${CONTEXT_EVENTS} events of the log`);
  const data = JSON.stringify(envelope.data, null, 2).replaceAll("\n", "\n           ");
  return [...lines, `  data     ${data}`].join("\n");
}
