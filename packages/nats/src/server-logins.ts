/**
 * Asks a nats-server for the logins of the connections of an account, with the credentials of its system account.
 */
import { connectBus } from "./bus.ts";
import type { ConnectionSettings } from "./connection-settings.ts";

const TIMEOUT_MS = 10_000;
/** Largest number of connections in one answer. The services of a BioXen have a few connections each. */
const MAX_CONNECTIONS = 1_024;

interface Connections {
  readonly data?: { readonly connections?: readonly { readonly authorized_user?: string }[] };
}

/** Returns the user of each connection of the account: its public key, or its name. */
export async function loginsOf(asSystem: ConnectionSettings, account: string): Promise<readonly string[]> {
  const bus = await connectBus({ ...asSystem, name: "bioxen-auth" });
  try {
    const { connection } = bus;
    const subject = `$SYS.REQ.SERVER.${connection.info?.server_id ?? ""}.CONNZ`;
    const wanted = JSON.stringify({ acc: account, auth: true, limit: MAX_CONNECTIONS });
    const reply = await connection.request(subject, wanted, { timeout: TIMEOUT_MS });
    const { data } = reply.json<Connections>();
    return (data?.connections ?? []).map(({ authorized_user: user = "" }) => user);
  } finally {
    await bus.close();
  }
}
