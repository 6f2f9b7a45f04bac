/**
 * The endpoint that cancels a durable command.
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
} as const;
