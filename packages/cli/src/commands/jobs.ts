/**
 * `bioxen jobs …`: pending durable commands, their outcomes, and dead letters.
 */

import { randomUUID } from "node:crypto";
import { COMMAND_PREFIX, isJobCommand, MAX_PAGE } from "@bioxen/contracts";
import { messageOf } from "@bioxen/kernel";
import { commandOf, type DeadLetter, type Job, Jobs } from "@bioxen/nats";
import type { Command } from "commander";
import { type ListOptions, showList, withListOptions } from "../lists.ts";
import { CommandEnd, EXIT_UNREACHABLE, refused, usage } from "../outcome.ts";
import { readSource } from "../parse.ts";
import { ago } from "../quantities.ts";
import { say, sayJson, showReply, withSession } from "../run.ts";
import { screenColumns } from "../screen.ts";
import type { Session } from "../session.ts";
import { type TableForm, table } from "../table.ts";
import { paint } from "../terminal.ts";

export function addJobCommands(program: Command): void {
  const jobs = program.command("jobs").description("durable commands and dead letters");
  addList(jobs);
  addShow(jobs);
  addSubmit(jobs);
  addCancel(jobs);
  jobs
    .command("retry <id>")
    .description("submit a dead letter again")
    .action((id: string, _options, command: Command) =>
      onLetter(command, id, "is submitted again", (all) => all.retry(id)),
    );
  jobs
    .command("drop <id>")
    .description("delete a dead letter")
    .action((id: string, _options, command: Command) =>
      onLetter(command, id, "is dropped", (all) => all.drop(id)),
    );
}

function addCancel(jobs: Command): void {
  jobs
    .command("cancel <id>")
    .description("cancel a pending durable command; a try under way is completed")
    .action((id: string, _options, command: Command) =>
      withSession(command, async (session, { json }) => {
        const reply = await session.call("jobCancel", { id });
        showReply(reply, json === true, ({ job, changed }) =>
          changed
            ? `${job.id} (${job.command}) is cancelled: it is not carried out`
            : `${job.id} (${job.command}) is cancelled already`,
        );
      }),
    );
}

function addList(jobs: Command): void {
  const list = jobs
    .command("ls")
    .alias("list")
    .description("list pending jobs and dead letters, oldest first")
    .option("--failed", "only dead letters");
  withListOptions(list).action(async (options: { failed?: boolean } & ListOptions, command: Command) => {
    await withSession(command, async (session, { json }) => {
      const all = new Jobs(session.bus);
      const waiting = options.failed === true ? [] : await all.waiting(MAX_PAGE);
      const letters = await all.deadLetters(MAX_PAGE);
      const views = [...waiting.map(viewOfWaiting), ...letters.map(viewOfLetter)];
      if (json === true) return sayJson({ ok: true, jobs: views });
      showList(options, {
        ids: views.map(({ id }) => id),
        empty: NO_JOB,
        table: (form) => jobTable(views, form),
      });
    });
  });
}

function addShow(jobs: Command): void {
  jobs
    .command("show <id>")
    .description("show the outcome of a job")
    .action(async (id: string, _options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const all = new Jobs(session.bus);
        const [outcome, letter] = await Promise.all([all.outcome(id), all.deadLetter(id)]);
        if (outcome === undefined && letter === undefined)
          throw notFound(`job ${id} has no outcome: it is pending, older than 24 h, or unknown`);
        const failed =
          letter === undefined ? null : { ...viewOfLetter(letter), payload: textOf(letter.data) };
        const shown = { ok: true, id, outcome: outcome ?? null, failed };
        if (json === true) sayJson(shown);
        else say(JSON.stringify(shown, null, 2));
      });
    });
}

function addSubmit(jobs: Command): void {
  jobs
    .command("submit <command> [payload]")
    .description("store a durable command, such as vm.create with its JSON; - reads standard input")
    .option("--id <id>", "id of the job; default: a new one")
    .option("--wait", "wait for its outcome, at most --timeout")
    .action(async (name: string, payload: string | undefined, options: SubmitLine, command: Command) => {
      const subject = name.startsWith(COMMAND_PREFIX) ? name : COMMAND_PREFIX + name;
      if (!isJobCommand(subject)) throw usage(`unknown command ${subject}: see docs/PROTOCOL.md`);
      const request = parsed(payload === "-" ? await readSource("-") : (payload ?? "{}"));
      await withSession(command, async (session, { json }) => {
        const submitted = await new Jobs(session.bus).submit(subject, request, options.id ?? randomUUID());
        if (options.wait === true) return showOutcome(session, submitted.id, json === true);
        if (json === true) sayJson({ ok: true, ...submitted });
        else say(submitted.duplicate ? `${submitted.id} (stored before)` : submitted.id);
      });
    });
}

interface SubmitLine {
  readonly id?: string;
  readonly wait?: boolean;
}

async function showOutcome(session: Session, id: string, json: boolean): Promise<void> {
  const outcome = await new Jobs(session.bus).waitForOutcome(id, session.timeoutMs);
  if (outcome === undefined) {
    throw new CommandEnd(
      EXIT_UNREACHABLE,
      `job ${id} is stored but has no outcome after ${session.timeoutMs} ms: see bioxen jobs show ${id}`,
      {
        code: "UNAVAILABLE",
        message: `no outcome within ${session.timeoutMs} ms`,
        retryable: true,
      },
    );
  }
  showReply(outcome, json, JSON.stringify);
}

async function onLetter(
  command: Command,
  id: string,
  done: string,
  act: (jobs: Jobs) => Promise<DeadLetter | undefined>,
): Promise<void> {
  await withSession(command, async (session, { json }) => {
    const letter = await act(new Jobs(session.bus));
    if (letter === undefined) throw notFound(`dead letter ${id} not found`);
    if (json === true) sayJson({ ok: true, id, command: commandOf(letter) });
    else say(`${id} (${commandOf(letter)}) ${done}`);
  });
}

interface JobView {
  readonly id: string;
  readonly command: string;
  readonly state: "waiting" | "failed";
  readonly round: number;
  readonly firstAtMs: number;
  readonly failedAtMs: number | null;
  readonly attempts: number | null;
  readonly error: DeadLetter["error"] | null;
}

function viewOfWaiting(job: Job): JobView {
  const { id, round, firstAtMs } = job;
  const command = commandOf(job);
  return { id, command, state: "waiting", round, firstAtMs, failedAtMs: null, attempts: null, error: null };
}

function viewOfLetter(letter: DeadLetter): JobView {
  const { id, round, firstAtMs, diedAtMs, attempts, error } = letter;
  const command = commandOf(letter);
  return { id, command, state: "failed", round, firstAtMs, failedAtMs: diedAtMs, attempts, error };
}

const NO_JOB = `no job is pending or failed; submit one with:\n  bioxen jobs submit vm.create '{"biologicalType":"syn3a"}'`;

function jobTable(views: readonly JobView[], form: TableForm): string {
  const rows = views.map((view) => [
    view.id,
    view.command,
    view.state === "failed" ? paint("red", view.state) : view.state,
    `${ago(Date.now() - view.firstAtMs)} ago`,
    view.error === null ? "" : `${view.error.code}: ${view.error.message}`,
  ]);
  return table(
    [
      "JOB",
      "COMMAND",
      "STATE",
      { head: "SUBMITTED", importance: 1 },
      { head: "WHY", wraps: true, importance: 2 },
    ],
    rows,
    screenColumns(),
    form,
  );
}

function notFound(message: string): CommandEnd {
  return refused({ code: "JOB_NOT_FOUND", message, retryable: false });
}

function textOf(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw usage(`the payload is malformed JSON: ${messageOf(thrown)}`);
  }
}
