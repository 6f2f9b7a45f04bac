/**
 * A refusal as a value: the service understood the command, and the rules do not allow it. Nothing was appended.
 *
 * `refuse` of packages/contracts makes one, with a code of the error catalogue.
 */
export interface Rejection<Code extends string = string> {
  readonly code: Code;
  /** One sentence for a person: the thing, the problem and, if possible, the remedy. */
  readonly message: string;
  /** True when the same command can succeed later without a change. */
  readonly retryable: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
}
