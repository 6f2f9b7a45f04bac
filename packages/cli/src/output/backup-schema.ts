/**
 * The schemas of the commands on backups.
 */
import * as z from "zod";

const count = z.int().min(0);

const place = {
  seq: count.meta({ description: "sequence of the last event in the backup" }),
  clusterId: z.string(),
};

export const backupCreated = {
  ...place,
  dir: z.string(),
  keys: z.boolean().meta({ description: "true when the backup has the keys, encrypted" }),
  incremental: z.boolean(),
  files: count,
  bytes: count,
  bytesAdded: count.meta({ description: "bytes of the files that this backup wrote" }),
  elapsedMs: count,
  removed: z
    .array(z.string())
    .optional()
    .meta({ description: "with --keep: names of the older backups that were removed" }),
};

export const backupVerified = {
  seq: place.seq.optional(),
  clusterId: place.clusterId.optional(),
  state: z.enum(["valid", "incomplete", "damaged", "absent"]),
  files: count,
  bytes: count,
  problems: z.array(z.string()),
  leftovers: z.array(z.string()).meta({ description: "files of an interrupted backup" }),
};

export const backupRestored = {
  ...place,
  messages: z.record(z.string(), count).meta({ description: "number of messages in each stream" }),
  data: z.string().optional(),
  elapsedMs: count,
};
