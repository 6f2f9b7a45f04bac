/**
 * The form of the ids in BioXen's contract: an id is one NATS subject token, a valid file name and a valid DNS label.
 */
/** The source of a regular expression that matches an id within a text. */
export const ID_SOURCE = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
export const ID_PATTERN = new RegExp(`^${ID_SOURCE}$`);
/** The form in words, to follow "must be". */
export const ID_RULE = "1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit";
export const MAX_ID_LENGTH = 63;

export function isId(value: unknown): value is string {
  return typeof value === "string" && ID_PATTERN.test(value);
}
