/**
 * The certificates of a local stack with TLS: made at its first start, in `certs` of the data directory, and renewed
 * when they are about to expire. Clients find the authority through the pointer file of the stack.
 */
import { join } from "node:path";
import { Fault } from "@bioxen/kernel";
import type { TlsSettings } from "@bioxen/nats";
import type { ServerTls } from "./server-config.ts";

/** `server`: clients check the server. `mutual`: the server also accepts only clients with a certificate. */
export type TlsMode = "server" | "mutual";

export interface StackCertificates {
  readonly server: ServerTls;
  /** Certificates of the stack's services and of the clients on this machine. */
  readonly client: TlsSettings;
}

/** Name of the directory with the certificates, in the data directory. */
const DIRECTORY = "certs";
/** Name of the client certificate that every process of the machine uses in the mode `mutual`. */
const CLIENT = "local";
/** Time before its expiry at which a certificate is replaced, days: no start of the stack may come for a month. */
const RENEWED_WITHIN_DAYS = 30;

/**
 * Returns the certificates of the stack on this data directory, without symbolic links; makes or renews them if needed.
 * Throws a `Fault` that names each problem when a file is damaged.
 */
export async function stackCertificates(
  dataDir: string,
  mode: TlsMode,
  progress: (line: string) => void,
  nowMs: number = Date.now(),
): Promise<StackCertificates> {
  const dir = join(dataDir, DIRECTORY);
  await refresh(dir, progress, nowMs);
  const file = (name: string) => join(dir, name);
  const ca = file("ca.pem");
  const server = { cert: file("server.pem"), key: file("server.key") };
  if (mode === "server") return { server, client: { ca } };
  const client = { ca, cert: file(`client-${CLIENT}.pem`), key: file(`client-${CLIENT}.key`) };
  return { server: { ...server, clientAuthority: ca }, client };
}

async function refresh(dir: string, progress: (line: string) => void, nowMs: number): Promise<void> {
  // The library that makes certificates takes 0.2 s to load.
  const certs = await import("@bioxen/certs");
  const make = (force: boolean) => certs.initCertificates({ dir, clients: [CLIENT], nowMs, force });
  if (!(await certs.hasAuthority(dir))) {
    await make(false);
    return progress(`made certificates in ${dir}`);
  }
  const [authority, ...others] = await certs.showCertificates(dir, nowMs);
  const problems = [authority, ...others].flatMap((one) =>
    (one?.problems ?? []).map((problem) => `${one?.file}: ${problem}`),
  );
  if (problems.length > 0) {
    const message = `${problems.join("\n")}\ndelete ${dir}, and the next start makes new certificates`;
    throw new Fault("CONFLICT", message, { retryable: false });
  }
  if ((authority?.expiresAtMs ?? 0) - nowMs < RENEWED_WITHIN_DAYS * certs.DAY_MS) {
    await make(true);
    return progress(`made new certificates in ${dir}, because their authority was about to expire`);
  }
  const { renewed } = await certs.renewCertificates({ dir, withinDays: RENEWED_WITHIN_DAYS, nowMs });
  if (renewed.length > 0) progress(`renewed the certificates in ${dir}`);
}
