/**
 * The platform-dependent functions of the client in Node; platform-browser.ts is the counterpart. The `imports` of the
 * manifest choose between the two files.
 */
/** The transport of the connections to NATS on this platform. */
export const TRANSPORT: "tcp" | "websocket" = "tcp";

export { connect } from "./dial-node.ts";
export { findSettings } from "./find-server.ts";
export { readCredentials, tlsOptions, tlsProblems } from "./secret-files.ts";
export { handshakeFailure } from "./tls-handshake.ts";
