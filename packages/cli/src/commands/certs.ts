/**
 * `bioxen certs …`: development certificates for a NATS server with TLS and for its clients.
 */
import { join } from "node:path";
import type { CertificateEntry } from "@bioxen/certs";
import { expiryWords } from "@bioxen/certs/inspect";
import { Fault } from "@bioxen/kernel";
import type { Command } from "commander";
import { endOf, usage } from "../outcome.ts";
import { integerIn } from "../parse.ts";
import { conclude, globalsOf, note, say, sayJson } from "../run.ts";
import { paint } from "../terminal.ts";

/** The limits of `@bioxen/certs`; a unit test compares them. That package is loaded only when a command needs it. */
export const DAYS = { preset: 365, max: 825 } as const;

interface NameOptions {
  readonly host?: readonly string[];
  readonly client?: readonly string[];
  readonly days?: number;
}

export function addCertsCommands(program: Command): void {
  const certs = program
    .command("certs")
    .description("development certificates: an authority, server certificates, and clients for mutual TLS");
  withNames(certs.command("init"))
    .description("make an authority, a server certificate, and a certificate for each client")
    .requiredOption(
      "--out <dir>",
      "directory for certificates and keys; it is created, and only its owner can read it",
    )
    .option("--force", "replace an existing authority; certificates that it signed are no longer accepted")
    .action((options: NameOptions & { readonly out: string; readonly force?: boolean }, command: Command) =>
      reported(command, async () => {
        const { initCertificates } = await import("@bioxen/certs");
        const { out: dir, host: hosts, client: clients, days, force } = options;
        const certificates = await initCertificates({ dir, hosts, clients, days, force });
        return { dir, certificates, next: nextSteps(dir) };
      }),
    );
  withNames(certs.command("add <dir>"))
    .description("sign certificates for further clients, or a server certificate for further hosts")
    .action((dir: string, { host: hosts, client: clients, days }: NameOptions, command: Command) =>
      reported(command, async () => {
        const { addCertificates } = await import("@bioxen/certs");
        return { dir, certificates: await addCertificates({ dir, hosts, clients, days }) };
      }),
    );
  addShow(certs);
  addRenew(certs);
}

function withNames(command: Command): Command {
  return command
    .option(
      "--host <name...>",
      "DNS names and IP addresses of the server, besides localhost, 127.0.0.1 and ::1",
    )
    .option("--client <name...>", "clients that get a certificate for mutual TLS")
    .option(
      "--days <n>",
      `lifetime of the certificates, days; default ${DAYS.preset}`,
      integerIn({ min: 1, max: DAYS.max }),
    );
}

function addShow(certs: Command): void {
  certs
    .command("show <dir>")
    .description("show subject, names, expiry and fingerprint of each certificate")
    .action((dir: string, _options, command: Command) =>
      reported(command, async () => {
        const { showCertificates } = await import("@bioxen/certs");
        return { dir, certificates: await showCertificates(dir) };
      }),
    );
}

function addRenew(certs: Command): void {
  certs
    .command("renew <dir>")
    .description(
      "sign all server and client certificates again, with the names and private keys that they have",
    )
    .option("--within <days>", "renew only what expires within this number of days", integerIn({ min: 0 }))
    .option(
      "--days <n>",
      "lifetime, days; default: that of the certificate before",
      integerIn({ min: 1, max: DAYS.max }),
    )
    .action((dir: string, options: { readonly within?: number; readonly days?: number }, command: Command) =>
      reported(command, async () => {
        const { renewCertificates } = await import("@bioxen/certs");
        const { within: withinDays, days } = options;
        return { dir, ...(await renewCertificates({ dir, withinDays, days })) };
      }),
    );
}

interface Result {
  readonly dir: string;
  readonly certificates: readonly CertificateEntry[];
  /** Paths of the certificates that were renewed. */
  readonly renewed?: readonly string[];
  /** What to do next, as text. */
  readonly next?: string;
}

/** Prints the result of `work`, or its error. */
async function reported(command: Command, work: () => Promise<Result>): Promise<void> {
  const json = globalsOf(command).json === true;
  try {
    const { next, ...result } = await work();
    if (json) return sayJson({ ok: true, ...result });
    const nowMs = Date.now();
    say(result.certificates.map((entry) => entryWords(entry, nowMs)).join("\n\n"));
    if (result.renewed !== undefined) note(renewedWords(result.renewed.length));
    if (next !== undefined) note(next);
  } catch (thrown) {
    const isWrongUse = thrown instanceof Fault && thrown.code === "BAD_REQUEST";
    conclude(isWrongUse ? usage(thrown.message) : endOf(thrown), json);
  }
}

function nextSteps(dir: string): string {
  return [
    `in nats-server.conf: tls { cert_file: "${join(dir, "server.pem")}", key_file: "${join(dir, "server.key")}" }`,
    `for each client: BIOXEN_NATS_CA=${join(dir, "ca.pem")} (keep ca.key to yourself)`,
  ].join("\n");
}

function renewedWords(count: number): string {
  if (count === 0) return "no certificate was due";
  const certificates = count === 1 ? "1 certificate" : `${count} certificates`;
  return `renewed ${certificates}: restart the processes that use them, or send nats-server the signal SIGHUP`;
}

function entryWords(entry: CertificateEntry, nowMs: number): string {
  const { file, kind, subject, names, expiresAtMs, validity, fingerprint, problems } = entry;
  const colour = { valid: "green", expiring: "yellow", expired: "red", "not yet valid": "red" } as const;
  const lines = [
    `${paint("bold", file)}: ${kind}, ${subject}`,
    ...(names.length === 0 ? [] : [`  names   ${names.join(", ")}`]),
    `  expires ${expiryWords(expiresAtMs, nowMs)}, ${paint(colour[validity], validity)}`,
    `  sha256  ${fingerprint}`,
    ...problems.map((problem) => `  ${paint("red", problem)}`),
  ];
  return lines.join("\n");
}
