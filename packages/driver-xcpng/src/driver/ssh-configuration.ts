/**
 * Reads the settings for SSH into machines from environment variables. Files are read at each connection, so that a key
 * or a known host can change while the agent runs.
 */
import { accessSync, constants } from "node:fs";
import { readFile } from "node:fs/promises";
import { parseFingerprints } from "../ssh/host-keys.ts";
import { DEFAULT_CONNECT_TIMEOUT_MS, MAX_CONNECT_TIMEOUT_MS } from "../ssh/limits.ts";
import type { Attempt, Environment } from "./environment.ts";
import type { SshSettings } from "./programs.ts";

export const SSH_VARIABLES = [
  "BIOXEN_XCPNG_SSH_USER",
  "BIOXEN_XCPNG_SSH_KEY_FILE",
  "BIOXEN_XCPNG_SSH_PASSWORD",
  "BIOXEN_XCPNG_SSH_PASSWORD_FILE",
  "BIOXEN_XCPNG_SSH_HOST_KEY",
  "BIOXEN_XCPNG_SSH_KNOWN_HOSTS",
  "BIOXEN_XCPNG_SSH_PORT",
  "BIOXEN_XCPNG_SSH_CONNECT_TIMEOUT_MS",
] as const;

const DEFAULT_PORT = 22;
const MAX_PORT = 65_535;

/** Returns the SSH settings; undefined when none of their variables is set. Adds every problem to `problems`. */
export function sshSettings(env: Environment, attempt: Attempt, problems: string[]): SshSettings | undefined {
  const set = SSH_VARIABLES.filter((name) => env[name]);
  if (set.length === 0) return undefined;
  const user = env["BIOXEN_XCPNG_SSH_USER"];
  if (!user) problems.push(`BIOXEN_XCPNG_SSH_USER: is required with ${set.join(", ")}`);
  const keyFile = env["BIOXEN_XCPNG_SSH_KEY_FILE"];
  const passwordFile = env["BIOXEN_XCPNG_SSH_PASSWORD_FILE"];
  const password = env["BIOXEN_XCPNG_SSH_PASSWORD"];
  if (!keyFile && !password && !passwordFile) {
    problems.push(
      "BIOXEN_XCPNG_SSH_KEY_FILE or BIOXEN_XCPNG_SSH_PASSWORD_FILE: set a private key or a password for the user",
    );
  }
  const knownHostsFile = env["BIOXEN_XCPNG_SSH_KNOWN_HOSTS"] || undefined;
  const files = [
    ["BIOXEN_XCPNG_SSH_KEY_FILE", keyFile],
    ["BIOXEN_XCPNG_SSH_PASSWORD_FILE", passwordFile],
    ["BIOXEN_XCPNG_SSH_KNOWN_HOSTS", knownHostsFile],
  ] as const;
  for (const [name, file] of files) if (file) attempt(name, () => accessSync(file, constants.R_OK));
  const fingerprints = env["BIOXEN_XCPNG_SSH_HOST_KEY"];
  const hostKeys = fingerprints
    ? attempt("BIOXEN_XCPNG_SSH_HOST_KEY", () => parseFingerprints(fingerprints))
    : new Set<string>();
  const integer = (name: (typeof SSH_VARIABLES)[number], otherwise: number, most: number): number => {
    const value = Number(env[name] || otherwise);
    if (!Number.isInteger(value) || value < 1 || value > most)
      problems.push(`${name}: must be an integer from 1 to ${most}`);
    return value;
  };
  return {
    login: async () => ({
      user: user ?? "",
      privateKey: keyFile ? await read("BIOXEN_XCPNG_SSH_KEY_FILE", keyFile) : undefined,
      password: password || (passwordFile ? await readLine(passwordFile) : undefined),
    }),
    hostKeys: hostKeys ?? new Set(),
    knownHostsFile,
    port: integer("BIOXEN_XCPNG_SSH_PORT", DEFAULT_PORT, MAX_PORT),
    connectTimeoutMs: integer(
      "BIOXEN_XCPNG_SSH_CONNECT_TIMEOUT_MS",
      DEFAULT_CONNECT_TIMEOUT_MS,
      MAX_CONNECT_TIMEOUT_MS,
    ),
  };
}

async function read(name: string, file: string): Promise<Buffer> {
  return readFile(file).catch((thrown: NodeJS.ErrnoException) => {
    throw new Error(`${name}: ${file} cannot be read: ${thrown.code ?? "unknown"}`);
  });
}

async function readLine(file: string): Promise<string> {
  return (await read("BIOXEN_XCPNG_SSH_PASSWORD_FILE", file)).toString("utf8").replace(/\r?\n$/, "");
}
