/**
 * Cancels a job that waits to be carried out.
 *
 * The worker and the cancellation compete for the same records: each try of a job claims its own first outcome before
 * it begins (job-attempt.ts). The cancellation stores CANCELLED as the first outcome of every try that the job can
 * still have, the last try first. A try that begins later finds this outcome and has no effect. The order matters: when
 * a try under way is found, every later try is prevented already, and no earlier one was touched. So the record of a
 * try that may have had an effect is never replaced.
 */
import {
  answersJob,
  commandSubject,
  ENDPOINTS,
  type Handled,
  type IdentityMode,
  JOB_CANCELLED,
  MAX_JOB_ATTEMPTS,
  publishedJobId,
  type ResultOf,
  refuse,
  type ServedEndpoint,
  serve,
  tenantJobId,
} from "@bioxen/contracts";
import { type Causation, Fault, type Reply } from "@bioxen/kernel";
import type { Bus } from "./bus.ts";
import { publisherOf } from "./callers.ts";
import { replyOf } from "./command.ts";
import { attemptKey } from "./job-attempt.ts";
import type { Job, StoredOutcome } from "./job-message.ts";
import { JobStore } from "./job-store.ts";
import type { Outcomes } from "./outcomes.ts";

const { code: CANCELLED } = JOB_CANCELLED.rejection;

type Cancelled = Handled<ResultOf<"jobCancel">>;

/** Returns the endpoint `job.cancel` on the job streams of this server. */
export async function openJobCancellation(
  bus: Bus,
  outcomes: Outcomes,
  identities: IdentityMode = "open",
): Promise<ServedEndpoint> {
  const records = { store: await JobStore.open(bus), outcomes, identities };
  return serve(ENDPOINTS.jobCancel, async ({ id }, causation) => {
    const answer = await cancel(records, storedJobId(causation, id));
    return answer.ok ? { ok: true, result: { ...answer.result, job: { ...answer.result.job, id } } } : answer;
  });
}

interface Records {
  readonly store: JobStore;
  readonly outcomes: Outcomes;
  readonly identities: IdentityMode;
}

async function cancel(records: Records, id: string): Promise<Cancelled> {
  const { store } = records;
  // The queue is read first: a job that ends meanwhile has its outcome before it leaves the queue.
  const job = await store.find(id);
  const before = await store.outcome(id);
  if (job === undefined || answersJob(before, job)) return answerOfEnded(store, id, before);
  const prevented = await preventTries(records, job);
  if (prevented === "under-way") {
    const message = `a try of job ${publishedJobId(id)} is under way: no further try follows it, and cancelling it again tells how it ended`;
    return refuse("CONFLICT", message, { retryable: true });
  }
  // The worker stores the outcome of a try that has ended.
  if (prevented !== "prevented") return ended(id, prevented);
  await settle(store, job);
  const stored = await store.outcome(id);
  if (!answersJob(stored, job) || !isCancelled(stored)) return answerOfEnded(store, id, stored);
  await store.removeJob(job.seq);
  return cancelled(id, job.subject, true);
}

/** Stores the outcome, unless the worker does so at the same moment: it has found the prevented try. */
async function settle(store: JobStore, job: Job): Promise<void> {
  try {
    await store.settle(job, replyOf(JOB_CANCELLED));
  } catch (thrown) {
    if (!(thrown instanceof Fault && thrown.code === "CONFLICT")) throw thrown;
  }
}

/** Prevents every try of the job. Returns why that is not possible: a try is under way, or the state of the job. */
async function preventTries(
  { outcomes, identities }: Records,
  job: Job,
): Promise<"prevented" | "under-way" | "done" | "refused"> {
  const { identity } = publisherOf(identities, job.subject);
  for (let attempt = MAX_JOB_ATTEMPTS; attempt >= 1; attempt -= 1) {
    const prevented = await outcomes.prevent(attemptKey(job, attempt, identity), JOB_CANCELLED);
    if (prevented.kind === "under-way") return "under-way";
    if (prevented.kind === "prevented") continue;
    const { outcome } = prevented;
    if (outcome.ok) return "done";
    if (outcome.rejection.code !== CANCELLED) return "refused";
  }
  return "prevented";
}

/** Answers about a job that has left the queue, or leaves it now. */
async function answerOfEnded(
  store: JobStore,
  id: string,
  outcome: StoredOutcome | undefined,
): Promise<Cancelled> {
  if (isCancelled(outcome)) return cancelled(id, outcome.subject, false);
  if ((await store.deadLetter(id)) !== undefined) return ended(id, "failed");
  if (outcome !== undefined) return ended(id, replyIn(outcome).ok ? "done" : "refused");
  return refuse("JOB_NOT_FOUND", `job ${publishedJobId(id)} is unknown, or older than 24 h`);
}

function isCancelled(outcome: StoredOutcome | undefined): outcome is StoredOutcome {
  const reply = outcome && replyIn(outcome);
  return reply?.ok === false && reply.error.code === CANCELLED;
}

function replyIn({ data }: StoredOutcome): Reply {
  return JSON.parse(new TextDecoder().decode(data)) as Reply;
}

/** Returns the id under which the stream has the job that a caller calls `id`. */
export function storedJobId({ principal, role }: Causation, id: string): string {
  return role === "tenant" && principal !== undefined ? tenantJobId(principal, id) : id;
}

function cancelled(id: string, subject: string, changed: boolean): Cancelled {
  return { ok: true, result: { changed, job: { id, command: commandSubject(subject), state: "cancelled" } } };
}

/** By state of a job that has ended: what can still be done with it. */
const ALLOWED = { done: [], refused: [], failed: ["retry", "drop"] } as const;

function ended(id: string, state: keyof typeof ALLOWED): Cancelled {
  const details = { state, command: "cancel", allowed: ALLOWED[state] };
  return refuse("INVALID_TRANSITION", `job ${publishedJobId(id)} is ${state} and cannot be cancelled`, {
    details,
  });
}
