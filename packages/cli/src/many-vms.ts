/**
 * One command on several VMs, named by ids or by labels. Each VM gets a separate call and result; a refusal of one
 * does not stop the others.
 */
import type { Accepted, Refused } from "@bioxen/client";
import type { VmView } from "@bioxen/contracts";
import { Fault, type ReplyError } from "@bioxen/kernel";
import { type Command, InvalidArgumentError } from "commander";
import type { VersionOptions } from "./expected-version.ts";
import { EXIT_REFUSED, EXIT_UNREACHABLE, endOf, refused, usage } from "./outcome.ts";
import { Progress } from "./progress.ts";
import { note, say, sayJson, showReply, withSession } from "./run.ts";
import type { Session } from "./session.ts";
import { someAtATime } from "./some-at-a-time.ts";

export interface SelectOptions extends VersionOptions {
  readonly selector?: readonly string[];
}

/** What a command does with each VM, and how it describes the result. */
export interface VmAction<R extends Accepted> {
  readonly act: (session: Session, vmId: string) => Promise<R | Refused>;
  /** Returns the result of a successful call as text. */
  readonly words: (result: R) => string;
  /**
   * Returns why an accepted command failed nevertheless, such as a start that ends in state `error`. Returns undefined
   * when it succeeded.
   */
  readonly failure?: (result: R) => string | undefined;
}

/**
 * Returns `before`, the labels from earlier uses of the option, with the labels in `text` (such as `team=red,tier`)
 * appended.
 */
function selectorOption(text: string, before: readonly string[] = []): string[] {
  const labels = text.split(",").map((label) => label.trim());
  if (labels.some((label) => label === "" || label.startsWith("="))) {
    throw new InvalidArgumentError("must be name or name=value, several separated by commas.");
  }
  return [...before, ...labels];
}

export function withSelector(command: Command): Command {
  return command.option(
    "-l, --selector <label=value>",
    "every VM with this label, in place of ids; with several, separated by commas, VMs that have them all",
    selectorOption,
  );
}

/** Runs the action on every named or selected VM, and shows the results. */
export async function toEach<R extends Accepted>(
  command: Command,
  ids: readonly string[],
  { selector, expectedVersion }: SelectOptions,
  action: VmAction<R>,
): Promise<void> {
  if ((ids.length === 0) === (selector === undefined)) {
    throw usage("name VMs either by ids or by --selector");
  }
  if (expectedVersion !== undefined && ids.length !== 1)
    throw usage("--expected-version is the version of one VM: name one id");
  await withSession(command, async (session, { json }) => {
    const [only] = ids;
    if (only !== undefined && ids.length === 1) return toOne(session, only, action, json === true);
    const all = selector === undefined ? [...new Set(ids)] : await selected(session, selector);
    if (all.length === 0 && json !== true) note(`no VM has the label ${selector?.join(" and ")}`);
    showAll(all, await repliesOf(session, all, action), action, json === true);
  });
}

async function toOne<R extends Accepted>(
  session: Session,
  vmId: string,
  action: VmAction<R>,
  json: boolean,
): Promise<void> {
  const reply = await action.act(session, vmId);
  showReply(reply, json, action.words);
  const failure = reply.ok ? action.failure?.(reply) : undefined;
  if (failure === undefined) return;
  process.exitCode = EXIT_REFUSED;
  note(failure);
}

/**
 * Returns the ids of the VMs that carry all labels. The service filters by the first label, and this function by the
 * others.
 */
async function selected(session: Session, labels: readonly string[]): Promise<string[]> {
  const [first] = labels;
  const found = await session.listAllVms(first === undefined ? {} : { label: first });
  return found.filter((vm) => labels.every((label) => carries(vm, label))).map(({ vmId }) => vmId);
}

function carries({ labels }: VmView, label: string): boolean {
  const split = label.indexOf("=");
  return split < 0 ? Object.hasOwn(labels, label) : labels[label.slice(0, split)] === label.slice(split + 1);
}

/**
 * Runs the action on each VM and returns the replies by VM id. When no service answers one call, the remaining calls
 * are not sent.
 */
async function repliesOf<R extends Accepted>(
  session: Session,
  ids: readonly string[],
  action: VmAction<R>,
): Promise<Map<string, R | Refused>> {
  const replies = new Map<string, R | Refused>();
  const progress = new Progress((done) => `${done} of ${ids.length} VMs`);
  let away: ReplyError | undefined;
  await someAtATime(ids, async (vmId) => {
    if (away !== undefined) {
      replies.set(vmId, { ok: false, error: { ...away, message: `not sent: ${away.message}` } });
      return;
    }
    const reply = await action.act(session, vmId).catch((thrown: unknown): Refused => {
      const { error: reported, message } = endOf(thrown);
      const error = reported ?? { code: "INTERNAL", message, retryable: false };
      if (thrown instanceof Fault && thrown.retryable) away = error;
      return { ok: false, error };
    });
    replies.set(vmId, reply);
    progress.seen(replies.size);
  });
  progress.end();
  return replies;
}

function showAll<R extends Accepted>(
  ids: readonly string[],
  replies: ReadonlyMap<string, R | Refused>,
  action: VmAction<R>,
  json: boolean,
): void {
  const problems: string[] = [];
  let isAway = false;
  for (const vmId of ids) {
    const reply = replies.get(vmId);
    if (reply === undefined) continue;
    const failure = reply.ok ? action.failure?.(reply) : refused(reply.error).message;
    if (failure !== undefined) problems.push(`${vmId}: ${failure}`);
    else if (reply.ok && !json) say(action.words(reply));
    isAway ||= !reply.ok && reply.error.code === "UNAVAILABLE";
  }
  if (json) {
    const results = ids.map((vmId) => ({ vmId, ...replies.get(vmId) }));
    sayJson({ ok: problems.length === 0, results });
  }
  for (const problem of problems) note(problem);
  if (problems.length > 0) process.exitCode = isAway ? EXIT_UNREACHABLE : EXIT_REFUSED;
}
