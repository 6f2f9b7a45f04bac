/**
 * The protocol between the guest agent, which runs a cell inside a machine, and the driver that starts the machine.
 *
 * There are two ways to the agent. Xenstore carries the identity into the machine, and reports out of it: it works from
 * the machine's first instruction on, but a value has at most {@link MAX_XENSTORE_VALUE_BYTES}. The command
 * `bioxen-cell call`, run over SSH, carries one request and its reply: it takes programs and checkpoints. What leaves
 * the machine is external input for the driver, because the owner of a machine can replace the agent. Both sides
 * therefore check each message with the functions of this module.
 */
export * from "./protocol/constants.ts";
export {
  ALLOCATION_KEY,
  type CellIdentity,
  ENVIRONMENT_KEY,
  identityKeyNames,
  identityKeys,
  identityOfKeys,
  xenstoreValue,
} from "./protocol/identity.ts";
export * from "./protocol/messages.ts";
export * from "./protocol/parse.ts";
