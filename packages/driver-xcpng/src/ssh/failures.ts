/**
 * The errors of running a program in a machine, as `DriverError`. `details.ran` tells the caller whether a retry is
 * safe: "no" when nothing was run, "unknown" when the program may have run and the caller must check.
 */
import { DriverError } from "@bioxen/vm-driver";
import type { ExpectedKeys } from "./host-keys.ts";

export interface Machine {
  readonly vmId: string;
  readonly address: string;
  readonly port: number;
}

const at = ({ vmId, address, port }: Machine): string => `"${vmId}" at ${address} port ${port}`;

export function unreachable(machine: Machine, why: string, cause?: unknown): DriverError {
  return new DriverError("UNAVAILABLE", `${at(machine)} is unreachable by SSH: ${why}; nothing was run`, {
    cause,
    details: { ...machine, ran: "no" },
  });
}

export function tooBusy(vmId: string, why: string): DriverError {
  return new DriverError("UNAVAILABLE", `no program can be run in "${vmId}" now: ${why}; retry later`, {
    details: { vmId, ran: "no" },
  });
}

export function wrongHostKey(
  machine: Machine,
  type: string,
  offered: string,
  expected: ExpectedKeys,
): DriverError {
  const isRevoked = expected.revoked.has(offered);
  const why = isRevoked
    ? `which ${expected.source} revokes`
    : `but ${expected.source} expects ${[...expected.fingerprints].join(" or ")}`;
  const message = `${at(machine)} presents the ${type} host key ${offered}, ${why}: it may be another machine. Nothing was sent to it. If the key was changed on purpose, compare it on the machine's console (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub) and update ${expected.source}`;
  return new DriverError("UNAVAILABLE", message, {
    retryable: false,
    details: { ...machine, offered, expected: [...expected.fingerprints], revoked: isRevoked, ran: "no" },
  });
}

export function refusedUser(machine: Machine, user: string, cause?: unknown): DriverError {
  const message = `${at(machine)} rejects the login of "${user}" with the key or password of this agent; nothing was run. Add the agent's public key to that user's authorized_keys, or correct BIOXEN_XCPNG_SSH_USER, BIOXEN_XCPNG_SSH_KEY_FILE or BIOXEN_XCPNG_SSH_PASSWORD_FILE`;
  return new DriverError("UNAVAILABLE", message, {
    retryable: false,
    cause,
    details: { ...machine, ran: "no" },
  });
}

export function unusableKey(why: string): DriverError {
  const message = `BIOXEN_XCPNG_SSH_KEY_FILE contains no usable private key: ${why}. Use a key without a passphrase, in a file that only the agent's user can read`;
  return new DriverError("UNSUPPORTED", message, { details: { ran: "no" } });
}

export function notRun(machine: Machine): DriverError {
  const message = `${at(machine)} ran nothing: sh, sleep or setsid is missing there, or the program arrived incomplete. Install util-linux or busybox in the machine, or run the program again`;
  return new DriverError("UNSUPPORTED", message, { details: { ...machine, ran: "no" } });
}

/**
 * Returns the error for a program that may have run completely, partly or not at all; the error is therefore not
 * retryable. `why` is a clause such as "the connection was lost".
 */
export function outcomeUnknown(
  machine: Machine,
  why: string,
  output: { stdout: string; stderr: string },
): DriverError {
  const message = `${why} while a program ran in ${at(machine)}: it is unknown whether the program finished. The machine ends it at its deadline; check the machine before you run it again`;
  return new DriverError("UNAVAILABLE", message, {
    retryable: false,
    details: { ...machine, ran: "unknown", ...output },
  });
}
