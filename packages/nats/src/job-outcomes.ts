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
    // A search of the queue reads all waiting jobs. A job has its outcome before it leaves the queue, so the outcome of a
    // job that is not found there is looked for once more.
    const read = async () => {
      const message = await store.outcome(stored);
      return message === undefined ? undefined : JSON.parse(decoder.decode(message.data));
    };
    let outcome = await read();
    if (outcome === undefined) {
      if ((await store.find(stored)) !== undefined) return { ok: true, result: { id, outcome: null } };
      outcome = await read();
    }
    if (outcome !== undefined) return { ok: true, result: { id, outcome } };
    return refuse("JOB_NOT_FOUND", `job ${id} is unknown, or older than 24 h`);
  });
}
