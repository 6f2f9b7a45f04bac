/** The client part in Node; platform-browser.ts is its counterpart. The manifest's `imports` choose between them. */
export { connect } from "@nats-io/transport-node";
export { findServer } from "./find-server.ts";
