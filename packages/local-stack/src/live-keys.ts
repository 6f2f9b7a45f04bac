/**
 * Changes of keys that take effect in a running server: the files first, then the server, then a try of the old and the
 * new key. A change that the server refuses is undone.
 */
import { type KeyChange, KeyFiles } from "@bioxen/auth";
import { callEndpoint, ENDPOINTS } from "@bioxen/contracts";
import { Fault } from "@bioxen/kernel";
import { ConnectionRefused, type ConnectionSettings, connectBus, reloadServer } from "@bioxen/nats";
import { withKeysLocked } from "./key-lock.ts";
import { renewService } from "./service-renewal.ts";

/** Number of times that the server is asked for a reload until requests with a new key have a receiver. */
const TRIES = 3;
const CALL_TIMEOUT_MS = 2_000;

export interface LiveKeys {
  readonly dir: string;
  /** The running server of these keys, without credentials; undefined when there is none: files only. */
  readonly server: ConnectionSettings | undefined;
}

/**
 * Carries out a change of the keys. Resolves when it is in force, or, without a running server, in the files. Throws what
 * `change` throws, `Fault` BAD_REQUEST when the server refuses the new configuration, and `Fault` UNAVAILABLE when the
 * server does not answer; the keys are then those from before.
 */
export async function changeKeys(
  { dir, server }: LiveKeys,
  change: () => Promise<KeyChange>,
): Promise<KeyChange> {
  return withKeysLocked(dir, async () => {
    const done = await change();
    if (server === undefined) {
      await done.grace?.use();
      await done.grace?.end();
      return done;
    }
    const asSystem = { ...server, creds: new KeyFiles(dir).server("system") };
    try {
      await reloadServer(asSystem);
    } catch (thrown) {
      await done.undo();
      throw thrown;
    }
    if (done.grace !== undefined && !(await renewService(asSystem, done.grace))) {
      throw notInForce(`${done.entry.name} does not log in with its new key`);
    }
    await checkKeys(server, asSystem, done);
    return done;
  });
}

/** Throws `Fault` UNAVAILABLE when the server still lets the former key in, or does not serve the new one. */
async function checkKeys(
  server: ConnectionSettings,
  asSystem: ConnectionSettings,
  { entry, seed, formerSeed }: KeyChange,
): Promise<void> {
  if (formerSeed !== undefined && (await letsIn(server, formerSeed))) {
    throw notInForce(`the server still lets in the former key of ${entry.name}`);
  }
  if (seed === undefined) return;
  for (let i = 0; i < TRIES; i += 1) {
    if (i > 0) await reloadServer(asSystem);
    const isProgram = entry.role === "agent" || entry.role === "service";
    if (await serves(server, seed, isProgram)) return;
  }
  throw notInForce(`requests with the key of ${entry.name} have no receiver`);
}

function notInForce(problem: string): Fault {
  const message = `the files are changed, but ${problem}: start the stack again`;
  return new Fault("UNAVAILABLE", message, { retryable: false });
}

async function letsIn(server: ConnectionSettings, seed: string): Promise<boolean> {
  try {
    const bus = await connectBus({ ...server, creds: seed, name: "bioxen-auth" });
    await bus.close();
    return true;
  } catch (thrown) {
    if (thrown instanceof ConnectionRefused) return false;
    throw thrown;
  }
}

/**
 * True when a request with this key reaches another account. A request that services do not answer, because they are
 * away, has reached them as far as the key is concerned.
 */
async function serves(server: ConnectionSettings, seed: string, isProgram: boolean): Promise<boolean> {
  const bus = await connectBus({ ...server, creds: seed, name: "bioxen-auth" });
  try {
    // Agents and services call endpoints that change something, so their keys are tried on JetStream.
    if (isProgram)
      return await bus.connection.request("$JS.API.INFO", "", { timeout: CALL_TIMEOUT_MS }).then(hasAnswer);
    const reply = await callEndpoint(bus, ENDPOINTS.vmList, { limit: 1 }, { timeoutMs: CALL_TIMEOUT_MS });
    return reply.ok || reply.error.code !== "FORBIDDEN";
  } catch {
    return false;
  } finally {
    await bus.close();
  }
}

function hasAnswer({ data }: { readonly data: Uint8Array }): boolean {
  return data.byteLength > 0;
}
