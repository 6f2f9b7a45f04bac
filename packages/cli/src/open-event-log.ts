/** The event log, as a module that is loaded only when a command reads the log. */
export { openExistingEventLog, openFollowedLog } from "@bioxen/nats";
