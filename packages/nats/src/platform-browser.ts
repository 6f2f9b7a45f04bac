/** The client part in a browser; platform-node.ts is its counterpart. The manifest's `imports` choose between them. */
import type * as node from "./platform-node.ts";

/** Connects over WebSocket: servers are `ws://host:port` or `wss://host:port`. */
export { wsconnect as connect } from "@nats-io/nats-core";

/** Always undefined: a page has no environment and no local stack, so its program must name the servers. */
export const findServer: typeof node.findServer = async () => undefined;
