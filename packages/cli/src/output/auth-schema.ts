/**
 * The schemas of `bioxen auth --json`.
 */
import * as z from "zod";
import { errorOutput } from "./error-schema.ts";

const keyShape = {
  name: z.string(),
  role: z.enum(["admin", "operator", "observer", "tenant", "agent"]),
  /** For the role `agent`: the id of the agent. */
  agentId: z.string().optional(),
  publicKey: z.string(),
  file: z.string().meta({ description: "the file with the secret seed" }),
  password: z.boolean(),
  passwordFile: z.string().optional(),
};
/** What `show` and `rotate` describe is a principal, an agent, or a service. */
const anyKeyShape = { ...keyShape, role: z.enum([...keyShape.role.options, "service"]) };
const key = z.object(keyShape);
const ok = z.literal(true);

const keyOutput = z.object({ ok, ...anyKeyShape });
const token = z.object({ id: z.string(), createdAtMs: z.int(), expiresAtMs: z.int() });
/** `tokens`: the bearer tokens that hold. */
export const authKey = keyOutput.extend({ tokens: z.array(token) });
export const authToken = z.object({
  ok,
  token: z.string().meta({ description: "the secret, which is shown only here" }),
  id: z.string(),
  name: z.string(),
  expiresAtMs: z.int(),
});
export const consoleAddress = z.object({ ok, url: z.string(), expiresAtMs: z.int().optional() });
/** `inForce`: false when no local stack runs with these keys, so that the change is in the files only. */
export const authChange = keyOutput.extend({ revoked: z.boolean(), inForce: z.boolean() });
export const authList = z.object({ ok, dir: z.string(), keys: z.array(key) });
export const authInit = authList.extend({ accounts: z.string() });

export const authProvision = z.object({ ok, server: z.string() });

const transferred = z.object({ vmId: z.string() });
export const authTransfer = z.object({
  ok: z.boolean(),
  from: z.string(),
  to: z.string(),
  results: z.array(z.union([transferred.extend({ ok }), errorOutput.extend({ vmId: z.string() })])),
});
