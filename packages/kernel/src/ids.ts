/**
 * Ids of the contract: one NATS subject token, usable as a file name and a DNS label.
 */
export const ID_PATTERN = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
export const MAX_ID_LENGTH = 63;

export function isId(value: unknown): value is string {
  return typeof value === "string" && ID_PATTERN.test(value);
}
