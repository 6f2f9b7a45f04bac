/** One problem of a payload: the path of the field, and a sentence about it. */
export interface Problem {
  readonly path: string;
  readonly message: string;
}

/** The message of the problem that reports an unknown field. All earlier releases use the same text. */
export const NO_FIELD = "is not a field of this command";
