/**
 * The endpoints about the log itself: which of its messages cannot be read, and the decision to skip one.
 */
import * as z from "zod";
import { endpoint } from "./endpoint.ts";

/** Longest reason for a skip, in characters: a sentence or two. */
export const MAX_SKIP_REASON = 500;
/** Longest name of the operator of a skip, in characters. */
const MAX_OPERATOR_NAME = 128;
/** Maximum length of each list of messages in one answer; the counts in the answer also cover unlisted messages. */
export const MAX_LISTED_MESSAGES = 100;

const seq = z.int().min(1);
const reason = z.string().trim().min(1).max(MAX_SKIP_REASON);
const by = z.string().trim().min(1).max(MAX_OPERATOR_NAME).default("unknown");

export const unreadableView = z
  .object({
    seq: z.int(),
    subject: z.string(),
    /** SHA-256 of the stored bytes, hexadecimal. */
    digest: z.string(),
    problem: z.string(),
    /** True when a newer release probably wrote the message: a skip then needs `force`. */
    newer: z.boolean(),
  })
  .meta({ id: "UnreadableView" });
export type UnreadableView = z.infer<typeof unreadableView>;

export const skippedView = z
  .object({ ...unreadableView.shape, reason: z.string(), by: z.string(), atMs: z.int() })
  .meta({ id: "SkippedView" });
export type SkippedView = z.infer<typeof skippedView>;

export const LOG_ENDPOINTS = {
  logSkip: endpoint(
    "bioxen.cmd.log.skip",
    "lifecycle",
    "Leave out a message that no service can read. Its aggregate goes on as if the message did not exist; the message stays in the log. A message of a newer release needs `force`: its meaning is lost for this aggregate.",
    z.strictObject({ seq, reason, by, force: z.boolean().default(false) }),
    z.object({ changed: z.boolean(), skipped: skippedView }),
  ),
  logUnskip: endpoint(
    "bioxen.cmd.log.unskip",
    "lifecycle",
    "Take the skip of a message back, for example after an upgrade to the release that wrote it. CONFLICT when the aggregate has a later message.",
    z.strictObject({ seq, reason, by }),
    z.object({ changed: z.boolean(), seq: z.int() }),
  ),
  logProblems: endpoint(
    "bioxen.qry.log.problems",
    "lifecycle",
    "The messages of the log that cannot be read, and the messages that are skipped, by sequence: the first 100 of each, and their numbers.",
    z.strictObject({}),
    z.object({
      unreadable: z.object({ count: z.int(), first: z.array(unreadableView) }),
      skipped: z.object({ count: z.int(), first: z.array(skippedView) }),
    }),
  ),
} as const;
