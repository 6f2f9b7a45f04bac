/**
 * What nats-server refused in a test: clients that used a subject or a stream which their permissions do not allow.
 *
 * A client of BioXen that needs a permission it lacks often fails silently, because the server answers a refused
 * subscription or publish with a message that the client's library only logs. The server's log names each.
 */
import { open, stat } from "node:fs/promises";
import { join } from "node:path";

/** Maximum number of lines that an error shows. */
const SHOWN = 5;

const logOf = (dataDir: string): string => join(dataDir, "log", "nats-server.log");

/** Resolves with the length of the server's log, in bytes; 0 if there is none. */
export async function serverLogLength(dataDir: string): Promise<number> {
  return (await stat(logOf(dataDir)).catch(() => undefined))?.size ?? 0;
}

/** Resolves with the lines of the server's log after this byte that name a refused publish or subscription. */
export async function violationsAfter(dataDir: string, byte: number): Promise<string[]> {
  const file = await open(logOf(dataDir)).catch(() => undefined);
  if (file === undefined) return [];
  const lines: string[] = [];
  try {
    for await (const line of file.readLines({ start: byte }))
      if (/ (Publish|Subscription) Violation /.test(line)) lines.push(line);
  } finally {
    await file.close();
  }
  return lines;
}

/** Rejects if the server refused a client anything after this byte of its log. */
export async function expectNoViolations(dataDir: string, byte: number): Promise<void> {
  const lines = await violationsAfter(dataDir, byte);
  if (lines.length === 0) return;
  const more = lines.length > SHOWN ? `\n… and ${lines.length - SHOWN} more` : "";
  throw new Error(`nats-server refused clients of the test:\n${lines.slice(0, SHOWN).join("\n")}${more}`);
}
