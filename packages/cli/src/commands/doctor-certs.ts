/**
 * What `bioxen doctor` reports about the certificates that the settings of the connection name: when they expire.
 */
import { readFile } from "node:fs/promises";
import { allFactsOf, type CertificateFacts, expiryWords, validityOf } from "@bioxen/certs/inspect";
import type { TlsSettings } from "@bioxen/nats";
import type { Finding } from "./finding.ts";

/**
 * Returns a finding for each file with certificates: a failure when one has expired, a warning when one expires within
 * 14 days. A file that cannot be read gets no finding, because the connection reports it.
 */
export async function certificateFindings(
  tls: TlsSettings | undefined,
  nowMs: number = Date.now(),
): Promise<Finding[]> {
  const files = [
    { check: "certificate authority", path: tls?.ca },
    { check: "client certificate", path: tls?.cert },
  ];
  const findings: Finding[] = [];
  for (const { check, path } of files) {
    if (path === undefined) continue;
    const first = await firstToExpire(path);
    if (first !== undefined) findings.push({ check, ...verdictOf(path, first, nowMs) });
  }
  return findings;
}

async function firstToExpire(path: string): Promise<CertificateFacts | undefined> {
  try {
    const all = allFactsOf(await readFile(path, "utf8"));
    return all.sort((a, b) => a.expiresAtMs - b.expiresAtMs)[0];
  } catch {
    return undefined;
  }
}

function verdictOf(path: string, facts: CertificateFacts, nowMs: number): Omit<Finding, "check"> {
  const validity = validityOf(facts, nowMs);
  const certificate = `${facts.subject} in ${path}`;
  if (validity === "not yet valid") {
    const remedy = "compare the clock of this machine with that of the machine that made it";
    return { verdict: "fail", found: `${certificate} is not yet valid`, remedy };
  }
  const verb = validity === "expired" ? "expired on" : "expires on";
  const found = `${certificate} ${verb} ${expiryWords(facts.expiresAtMs, nowMs)}`;
  if (validity === "valid") return { verdict: "ok", found };
  const remedy = "replace it: bioxen certs renew, or the tool that made it";
  return { verdict: validity === "expired" ? "fail" : "warn", found, remedy };
}
