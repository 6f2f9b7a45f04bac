/**
 * The sizes of messages. A NATS server carries no message above its `max_payload`, so the size of a message that grows
 * with the fleet is checked before it is sent. A reply ends its page where the next item does not fit, and an event
 * that the server would not store is refused.
 */
import { Fault, MAX_BLOB_BYTES, type Rejection } from "@bioxen/kernel";
import { refuse } from "./errors.ts";
import { MAX_STORED_JOB_BYTES } from "./subjects.ts";

/** The `max_payload` of a NATS server with default settings, bytes. */
export const DEFAULT_MAX_PAYLOAD_BYTES = 1_048_576;
/**
 * Bytes of a message that are reserved for data other than its content: the headers of the message, the fields that
 * are stored with an outcome, and the fields that `vm.history` adds to an event. Every stored event can thus be listed.
 */
export const MESSAGE_ROOM_BYTES = 1_024;

/**
 * Smallest `max_payload` with which a server carries the largest messages of the contract, bytes: a guest state or a
 * stored job of the largest size. A server with a smaller `max_payload` works, and refuses messages above it.
 */
export const NEEDED_MAX_PAYLOAD_BYTES = Math.max(MAX_BLOB_BYTES, MAX_STORED_JOB_BYTES) + MESSAGE_ROOM_BYTES;

/** Returns the maximum size of an event or reply on a server with this `max_payload`, bytes. */
export function contentLimitOf(maxPayloadBytes: number): number {
  return Math.max(0, maxPayloadBytes - MESSAGE_ROOM_BYTES);
}

const encoder = new TextEncoder();

/** Returns the size of `value` as JSON, bytes of UTF-8. */
export function jsonBytesOf(value: unknown): number {
  return encoder.encode(JSON.stringify(value)).byteLength;
}

/** Returns the refusal of content that no message of the server can carry. */
export function tooLarge(
  what: string,
  bytes: number,
  limit: number,
  remedy: string,
): { readonly ok: false; readonly rejection: Rejection } {
  const message = `${what} has ${bytes} bytes, and the server's max_payload leaves room for ${limit}: ${remedy}`;
  return refuse("TOO_LARGE", message, { details: { limit, bytes } });
}

/**
 * Returns the fault of an event that the server would not store; undefined when the event fits. Every event log makes
 * this check before it sends anything.
 */
export function eventTooLarge(type: string, bytes: number, limit: number): Fault | undefined {
  if (bytes <= limit) return undefined;
  const message =
    `the event ${type} would have ${bytes} bytes, and the server's max_payload leaves room for ${limit}: ` +
    "nothing was written; send less, or raise max_payload of the NATS server";
  return new Fault("TOO_LARGE", message, { retryable: false, details: { limit, bytes } });
}
