/**
 * The platform-dependent functions of the client in Node; platform-browser.ts is the counterpart. The `imports` of the
 * manifest choose between the two files.
 */
export { connect } from "./dial-node.ts";
export { findServer } from "./find-server.ts";
