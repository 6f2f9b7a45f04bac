/**
 * A plain NATS client on a local stack. On a stack with keys it logs in as the admin, and else without a login.
 */
import { readFile } from "node:fs/promises";
import { findLocalStack, stackCreds } from "@bioxen/nats";
import {
  type ConnectionOptions,
  connect,
  type NatsConnection,
  nkeyAuthenticator,
} from "@nats-io/transport-node";

/** Connects to the stack of this `BIOXEN_HOME`. */
export async function connectRaw(home: string, options: ConnectionOptions = {}): Promise<NatsConnection> {
  const stack = await findLocalStack(home);
  if (stack === undefined) throw new Error(`no local stack runs in ${home}`);
  const creds = stackCreds(stack);
  const login = creds === undefined ? {} : await loginOf(creds);
  return connect({ servers: stack.url, ...login, ...options });
}

/** Returns the options with which a plain client logs in by the seed in this file. */
export async function loginOf(creds: string): Promise<Pick<ConnectionOptions, "authenticator">> {
  const seed = /\bSU[A-Z2-7]{56}\b/.exec(await readFile(creds, "utf8"))?.[0];
  if (seed === undefined) throw new Error(`${creds} has no seed`);
  return { authenticator: nkeyAuthenticator(new TextEncoder().encode(seed)) };
}
