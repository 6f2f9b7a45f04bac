/**
 * The platform-dependent functions of the client in a browser; platform-node.ts is the counterpart. The `imports` of
 * the manifest choose between the two files.
 */
import type * as node from "./platform-node.ts";

/** Connects over WebSocket: servers are `ws://host:port` or `wss://host:port`. */
export { wsconnect as connect } from "@nats-io/nats-core";

/**
 * Finds no server and always returns undefined: a page has no environment and no local stack, so its program must name
 * the servers.
 */
export const findServer: typeof node.findServer = async () => undefined;
