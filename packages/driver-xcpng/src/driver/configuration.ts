/**
 * Reads the pool's address, credentials and settings from environment variables. Credentials have no other source,
 * because `ps` shows command arguments, and events and logs are public. With a password file, the password is not in
 * the environment either.
 */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "@bioxen/kernel";
import type { Credentials } from "../xapi/client.ts";
import { SessionFile } from "../xapi/session-file.ts";
import { addressOfUrl } from "../xapi/transport.ts";
import { parsePins, type Trust } from "../xapi/trust.ts";
import type { XcpngDriverOptions } from "./driver-options.ts";
import type { Attempt, Environment } from "./environment.ts";
import {
  DEFAULT_AGENT_WAIT_MS,
  FIRST_REMOVAL_WAIT_MS,
  MAX_AGENT_WAIT_MS,
  MAX_FIRST_REMOVAL_WAIT_MS,
} from "./limits.ts";
import { SSH_VARIABLES, sshSettings } from "./ssh-configuration.ts";

/** All environment variables that configure a pool. A test checks that the local stack passes them to agents only. */
export const POOL_VARIABLES = [
  "BIOXEN_XCPNG_URL",
  "BIOXEN_XCPNG_FINGERPRINT",
  "BIOXEN_XCPNG_FINGERPRINT_FILE",
  "BIOXEN_XCPNG_CA_FILE",
  "BIOXEN_XCPNG_INSECURE",
  "BIOXEN_XCPNG_USERNAME",
  "BIOXEN_XCPNG_PASSWORD",
  "BIOXEN_XCPNG_PASSWORD_FILE",
  "BIOXEN_XCPNG_TEMPLATE",
  "BIOXEN_XCPNG_CHASSIS",
  "BIOXEN_XCPNG_STATE_DIR",
  "BIOXEN_XCPNG_DRIFT",
  "BIOXEN_XCPNG_AGENT_WAIT_MS",
  "BIOXEN_XCPNG_REMOVAL_WAIT_MS",
  ...SSH_VARIABLES,
] as const;

export const DEFAULT_TEMPLATE = "bioxen-guest";
export const DEFAULT_POOL_CHASSIS = "xcpng-1";

/**
 * Reaction to a change that was made to a machine outside BioXen: `repair` restores the machine to the state of its VM,
 * `accept` changes the VM to the state of the machine. docs/how-to/xcpng.md lists every case.
 */
const DRIFTS = ["repair", "accept"] as const;

export interface PoolConfiguration {
  readonly chassisId: string;
  readonly drift: (typeof DRIFTS)[number];
  readonly agentId: string;
  /** Everything that the driver needs except its owner, which only a process with the log knows. */
  readonly options: Omit<XcpngDriverOptions, "owner">;
}

/**
 * Returns the pool configuration of the agent `agentId` from the environment variables `env`; undefined when they give no
 * URL of a pool. Throws a `RangeError` that lists every problem.
 */
export function poolConfiguration(env: Environment, agentId: string): PoolConfiguration | undefined {
  const url = env["BIOXEN_XCPNG_URL"];
  if (!url) return undefined;
  const problems: string[] = [];
  const attempt: Attempt = (variable, body) => {
    try {
      return body();
    } catch (thrown) {
      problems.push(`${variable}: ${messageOf(thrown)}`);
      return undefined;
    }
  };
  attempt("BIOXEN_XCPNG_URL", () => addressOfUrl(url));
  const trust = trustOf(env, attempt, problems);
  const passwordFile = env["BIOXEN_XCPNG_PASSWORD_FILE"];
  const password = env["BIOXEN_XCPNG_PASSWORD"];
  if (!password && !passwordFile) {
    problems.push("BIOXEN_XCPNG_PASSWORD or BIOXEN_XCPNG_PASSWORD_FILE: set the pool's password");
  }
  const chassisId = env["BIOXEN_XCPNG_CHASSIS"] || DEFAULT_POOL_CHASSIS;
  const wanted = env["BIOXEN_XCPNG_DRIFT"] || "repair";
  const drift = DRIFTS.find((one) => one === wanted);
  if (drift === undefined) problems.push(`BIOXEN_XCPNG_DRIFT: must be one of ${DRIFTS.join(", ")}`);
  const ssh = sshSettings(env, attempt, problems);
  const waitOf = (variable: string, unset: number, most: number): number => {
    const wait = Number(env[variable] || unset);
    if (!Number.isInteger(wait) || wait < 1 || wait > most)
      problems.push(`${variable}: must be an integer from 1 to ${most}`);
    return wait;
  };
  const agentWaitMs = waitOf("BIOXEN_XCPNG_AGENT_WAIT_MS", DEFAULT_AGENT_WAIT_MS, MAX_AGENT_WAIT_MS);
  const firstRemovalWaitMs = waitOf(
    "BIOXEN_XCPNG_REMOVAL_WAIT_MS",
    FIRST_REMOVAL_WAIT_MS,
    MAX_FIRST_REMOVAL_WAIT_MS,
  );
  if (problems.length > 0 || trust === undefined || drift === undefined)
    throw new RangeError(problems.join("; "));
  const username = env["BIOXEN_XCPNG_USERNAME"] || "root";
  const credentials = async (): Promise<Credentials> => {
    if (password) return { username, password };
    const read = await readFile(passwordFile ?? "", "utf8").catch((thrown: NodeJS.ErrnoException) => {
      throw new Error(`the password file cannot be read: ${thrown.code ?? "unknown"}`);
    });
    return { username, password: read.replace(/\r?\n$/, "") };
  };
  const folder = env["BIOXEN_XCPNG_STATE_DIR"];
  const sessions = folder ? new SessionFile(join(folder, `xcpng-sessions-${agentId}`)) : undefined;
  const template = env["BIOXEN_XCPNG_TEMPLATE"] || DEFAULT_TEMPLATE;
  const access = { url, credentials, trust, sessions, ssh };
  const options = { ...access, chassisId, template, agentWaitMs, firstRemovalWaitMs };
  return { chassisId, agentId, drift, options };
}

function trustOf(env: Environment, attempt: Attempt, problems: string[]): Trust | undefined {
  const fingerprint = env["BIOXEN_XCPNG_FINGERPRINT"];
  const fingerprintFile = env["BIOXEN_XCPNG_FINGERPRINT_FILE"];
  const caFile = env["BIOXEN_XCPNG_CA_FILE"];
  const isInsecure = env["BIOXEN_XCPNG_INSECURE"] === "yes";
  if ([fingerprint, fingerprintFile, caFile, isInsecure].filter(Boolean).length > 1) {
    problems.push(
      "set only one of BIOXEN_XCPNG_FINGERPRINT, BIOXEN_XCPNG_FINGERPRINT_FILE, BIOXEN_XCPNG_CA_FILE and BIOXEN_XCPNG_INSECURE",
    );
    return undefined;
  }
  if (fingerprint) {
    const pins = attempt("BIOXEN_XCPNG_FINGERPRINT", () => parsePins(fingerprint));
    return pins && { kind: "pins", pins };
  }
  if (fingerprintFile) {
    const name = "BIOXEN_XCPNG_FINGERPRINT_FILE";
    const pins = attempt(name, () => parsePins(readFileSync(fingerprintFile, "utf8").trim()));
    return pins && { kind: "pins", pins };
  }
  if (caFile) {
    const pem = attempt("BIOXEN_XCPNG_CA_FILE", () => readFileSync(caFile, "utf8"));
    return pem === undefined ? undefined : { kind: "ca", pem };
  }
  return isInsecure ? { kind: "insecure" } : { kind: "system" };
}
