/**
 * The schemas of `bioxen status --json` and `bioxen up --json`.
 */
import * as z from "zod";
import { tlsFiles } from "./certs-schema.ts";

const count = z.int().min(0);

/** A stack that is up. */
export const stack = {
  url: z.string(),
  data: z.string(),
  durability: z.enum(["always", "relaxed"]),
  keysDir: z.string().optional().meta({ description: "absent for a stack without keys" }),
  tls: tlsFiles.optional(),
  websocket: z.string().optional(),
  consoleUrl: z.string().optional().meta({ description: "absent without a gateway" }),
  pid: z.int().optional(),
};

const service = z.object({
  name: z.string(),
  instances: count,
  ready: z.boolean(),
  urls: z.array(z.string()),
  /** Host and process id of each instance; an instance that does not report both is left out. */
  processes: z.array(z.object({ host: z.string(), pid: count })),
  /** The releases that the instances of the service run, the oldest first. A rolling upgrade gives two releases. */
  versions: z.array(z.string()),
});
const agent = z.object({
  agentId: z.string(),
  processes: z.array(
    z.object({
      host: z.string().nullable(),
      pid: count.nullable(),
      /** Reason why this process waits and runs no guests; null for the process that acts as the agent. */
      waiting: z.string().nullable(),
    }),
  ),
});
const standBy = z.object({
  name: z.string(),
  version: z.string(),
  host: z.string().nullable(),
  pid: count.nullable(),
  waiting: z.string(),
});

export const statusOutput = z.object({
  /** False when at least one service has no ready instance; the exit code is then 3. */
  ok: z.boolean(),
  server: z.object({ url: z.string(), version: z.string() }),
  durability: z.enum(["always", "relaxed", "unknown"]),
  /** Copies of the event log on the servers; null when the server has no event log or does not answer. */
  copies: z.object({ wanted: count, present: count }).nullable(),
  data: z.string().nullable(),
  /** `keys`: a local stack with keys. `external`: a server elsewhere that asks for a login. `open`: no login. */
  auth: z.enum(["keys", "open", "external"]),
  /** Directory of the keys of a local stack with keys. */
  keysDir: z.string().optional(),
  services: z.array(service),
  /** Number of messages of the log that no service can read; null when lifecycle does not answer. */
  unreadable: count.nullable(),
  /** The agents with their processes, in order of agent id. Agents of older versions report no id and are left out. */
  agents: z.array(agent),
  /** Instances that answer no requests, because an instance of a newer release answers them. */
  standBys: z.array(standBy),
  metricsUrl: z.string().nullable(),
  consoleUrl: z.string().nullable(),
});
