/**
 * What can go wrong between an agent and a program in a machine, in the driver's words. The difference that counts to whoever
 * asked: nothing was run, so asking again is safe; or it may have been, and only they can find out.
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
  return new DriverError("UNAVAILABLE", `${at(machine)} cannot be reached by SSH: ${why}; nothing was run`, {
    cause,
    details: { ...machine, ran: "no" },
  });
}

export function tooBusy(vmId: string, why: string): DriverError {
  return new DriverError("UNAVAILABLE", `no program can be run in "${vmId}" now: ${why}`, {
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
    : `and ${expected.source} says ${[...expected.fingerprints].join(" or ")}`;
  const message = `${at(machine)} shows the ${type} host key ${offered}, ${why}: it may be another machine. Nothing was sent to it. If the key was changed on purpose, compare it on the machine's console (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub) and correct it there`;
  return new DriverError("UNAVAILABLE", message, {
    retryable: false,
    details: { ...machine, offered, expected: [...expected.fingerprints], revoked: isRevoked, ran: "no" },
  });
}

export function refusedUser(machine: Machine, user: string, cause?: unknown): DriverError {
  const message = `${at(machine)} does not let "${user}" in with the key or password of this agent: put its public key into that user's authorized_keys, or correct BIOXEN_XCPNG_SSH_USER, BIOXEN_XCPNG_SSH_KEY_FILE or BIOXEN_XCPNG_SSH_PASSWORD_FILE; nothing was run`;
  return new DriverError("UNAVAILABLE", message, {
    retryable: false,
    cause,
    details: { ...machine, ran: "no" },
  });
}

export function unusableKey(why: string): DriverError {
  const message = `BIOXEN_XCPNG_SSH_KEY_FILE holds no private key that can be used: ${why}. The agent takes one without a passphrase, which only its user may read`;
  return new DriverError("UNSUPPORTED", message, { details: { ran: "no" } });
}

export function notRun(machine: Machine): DriverError {
  const message = `${at(machine)} cannot run programs: it needs sh, sleep and setsid (util-linux or busybox), or the program did not arrive whole; nothing was run`;
  return new DriverError("UNSUPPORTED", message, { details: { ...machine, ran: "no" } });
}

/** Not to be asked again by itself: the program may have done all, some or nothing of what it does. */
export function outcomeUnknown(
  machine: Machine,
  why: string,
  said: { stdout: string; stderr: string },
): DriverError {
  const message = `${why} while a program ran in ${at(machine)}: whether it ran to its end is not known. It is ended there at its deadline; look in the machine before you run it again`;
  return new DriverError("UNAVAILABLE", message, {
    retryable: false,
    details: { ...machine, ran: "unknown", ...said },
  });
}
