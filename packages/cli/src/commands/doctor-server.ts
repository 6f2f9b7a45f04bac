/**
 * What `bioxen doctor` reports about the NATS server: its version, the clients that it accepts, and its maximum message
 * size.
 */
import { NEEDED_MAX_PAYLOAD_BYTES } from "@bioxen/contracts";
import { isSupportedServer, OLDEST_SERVER } from "@bioxen/nats";
import type { Finding } from "./finding.ts";

/** Hosts that only processes of the same machine reach. */
const LOOPBACK = /^[a-z]+:\/\/(?:localhost|127\.[\d.]+|\[::1\])(?::\d+)?\/?$/;

export function serverFinding(server: string, version: string): Finding {
  const check = "server";
  const found = `${server}, nats-server ${version}`;
  if (isSupportedServer(version)) return { check, verdict: "ok", found };
  const remedy = `use ${OLDEST_SERVER.join(".")} or newer: older servers can lose a stream`;
  return { check, verdict: "fail", found, remedy };
}

/**
 * Returns a finding that says which clients may send commands and publish events. `server` has the URLs of the server,
 * separated by commas. On a server without logins, every client that can connect can also forge events. `events verify`
 * does not find forged events with a valid chain.
 */
export function accessFinding(server: string, demandsLogin: boolean): Finding {
  const check = "access";
  if (demandsLogin) return { check, verdict: "ok", found: "clients log in" };
  if (server.split(",").every((url) => LOOPBACK.test(url))) {
    const found = "no login: every process of this machine may send commands and publish events";
    return { check, verdict: "ok", found };
  }
  return {
    check,
    verdict: "warn",
    found: "no login: every client that reaches this server may send commands and publish events",
    remedy: "give the server logins (docs/how-to/credentials.md)",
  };
}

export function payloadFinding(bytes: number): Finding {
  const check = "max_payload";
  const found = `${bytes} bytes`;
  if (bytes >= NEEDED_MAX_PAYLOAD_BYTES) return { check, verdict: "ok", found };
  return {
    check,
    verdict: "warn",
    found: `${found}: commands, guest states and jobs above it are refused as TOO_LARGE`,
    remedy: `set max_payload: 1MB in the server's configuration; at least ${NEEDED_MAX_PAYLOAD_BYTES} bytes are needed`,
  };
}
