/**
 * The endpoints on durable commands: cancel one, and read its outcome.
 */
import * as z from "zod";
import { jobId } from "../job-id.ts";
import { endpoint } from "./endpoint.ts";

export const JOB_ENDPOINTS = {
  jobCancel: endpoint(
    "bioxen.cmd.job.cancel",
    "lifecycle",
    "Cancel a durable command that waits to be carried out. It has no effect then, its outcome is the error CANCELLED, and the jobs behind it go on. A try under way is never interrupted: the reply is a retryable CONFLICT, and no further try follows it. A job with an outcome or a dead letter is INVALID_TRANSITION. This command is not available as a job.",
    z.strictObject({ id: jobId }),
    z.object({
      changed: z.boolean(),
      job: z.object({ id: z.string(), command: z.string(), state: z.literal("cancelled") }),
    }),
  ),
  jobOutcomeGet: endpoint(
    "bioxen.qry.job.outcome",
    "lifecycle",
    "The outcome of a durable command: the reply of the command, or null while the job waits or is carried out. A tenant reads the outcomes of its own jobs only. An id without a job, and one whose outcome is older than 24 h, is JOB_NOT_FOUND.",
    z.strictObject({ id: jobId }),
    z.object({ id: z.string(), outcome: z.record(z.string(), z.unknown()).nullable() }),
  ),
} as const;
