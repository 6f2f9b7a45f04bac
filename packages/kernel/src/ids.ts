/**
 * The form of the ids in BioXen's contract: an id is one NATS subject token, a valid file name and a valid DNS label.
 */
export const ID_PATTERN = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
export const MAX_ID_LENGTH = 63;

export function isId(value: unknown): value is string {
  return typeof value === "string" && ID_PATTERN.test(value);
}
