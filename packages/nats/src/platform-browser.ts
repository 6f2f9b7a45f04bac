/**
 * The platform-dependent functions of the client in a browser; platform-node.ts is the counterpart. The `imports` of
 * the manifest choose between the two files.
 */
import type * as node from "./platform-node.ts";

export const TRANSPORT: typeof node.TRANSPORT = "websocket";

/** Connects over WebSocket: servers are `ws://host:port` or `wss://host:port`. */
export { wsconnect as connect } from "@nats-io/nats-core";

/**
 * Returns the settings that the program gives, and undefined when they name no server: a page has no environment and no
 * local stack.
 */
export const findSettings: typeof node.findSettings = async (given) =>
  given.servers === undefined ? undefined : { ...given, servers: given.servers };

/** Returns the text itself: a page reads no files, so that its program must give the content. */
export const readCredentials: typeof node.readCredentials = (creds) => creds;

/** Returns a problem when TLS settings are given, because the browser chooses the certificates for `wss://` itself. */
export const tlsProblems: typeof node.tlsProblems = (tls, names) =>
  tls === undefined
    ? []
    : [{ path: names.ca, message: "a browser chooses certificates itself: omit tls, and use wss://" }];

export const tlsOptions: typeof node.tlsOptions = () => undefined;

/** Resolves with undefined (no failure is known), because a page has no access to a TLS handshake. */
export const handshakeFailure: typeof node.handshakeFailure = async () => undefined;
