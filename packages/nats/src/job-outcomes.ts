/**
 * The endpoint that reads the outcome of a durable command, for callers that must not read the stream of outcomes.
 */
import { ENDPOINTS, refuse, type ServedEndpoint, serve } from "@bioxen/contracts";
import type { Bus } from "./bus.ts";
import { storedJobId } from "./job-cancellation.ts";
import { JobStore } from "./job-store.ts";

const decoder = new TextDecoder();

/** Returns the endpoint `job.outcome` on the job streams of this server. */
export async function openJobOutcomes(bus: Bus): Promise<ServedEndpoint> {
  const store = await JobStore.open(bus);
  return serve(ENDPOINTS.jobOutcomeGet, async ({ id }, causation) => {
    const stored = storedJobId(causation, id);
    // The queue is read first: a job that ends meanwhile has its outcome before it leaves the queue.
    const waits = (await store.find(stored)) !== undefined;
    const outcome = await store.outcome(stored);
    if (outcome !== undefined) {
      return { ok: true, result: { id, outcome: JSON.parse(decoder.decode(outcome.data)) } };
    }
    if (waits) return { ok: true, result: { id, outcome: null } };
    return refuse("JOB_NOT_FOUND", `job ${id} is unknown, or older than 24 h`);
  });
}
