/**
 * Asks a nats-server to load its configuration again, over NATS, with the credentials of its system account.
 */
import { Fault, messageOf } from "@bioxen/kernel";
import { connectBus } from "./bus.ts";
import type { ConnectionSettings } from "./connection-settings.ts";

/** Longest wait for the answer to one request, ms: the server reads a few files. */
const RELOAD_TIMEOUT_MS = 10_000;
/**
 * After one reload, requests of a new account find no receiver, for its connections of later as well. A second reload of
 * the same files mends that (nats-server 2.14).
 */
const RELOADS = 2;

/**
 * Resolves when the server uses its present configuration files. Throws `Fault` BAD_REQUEST, with the words of the server,
 * when it refuses them: it then goes on with the configuration from before.
 */
export async function reloadServer(asSystem: ConnectionSettings): Promise<void> {
  const bus = await connectBus({ ...asSystem, name: "bioxen-auth" });
  try {
    const { connection } = bus;
    const subject = `$SYS.REQ.SERVER.${connection.info?.server_id ?? ""}.RELOAD`;
    for (let i = 0; i < RELOADS; i += 1) {
      const reply = await connection
        .request(subject, "", { timeout: RELOAD_TIMEOUT_MS })
        .catch((cause: unknown) => {
          const message = `the NATS server does not reload its configuration: ${messageOf(cause)}`;
          throw new Fault("UNAVAILABLE", message, { retryable: true, cause });
        });
      const { error } = reply.json<{ readonly error?: { readonly description?: string } }>();
      if (error === undefined) continue;
      const message = `the NATS server refuses its new configuration: ${error.description ?? "unknown"}`;
      throw new Fault("BAD_REQUEST", message, { retryable: false });
    }
  } finally {
    await bus.close();
  }
}
