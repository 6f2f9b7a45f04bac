/**
 * A refusal, as a value: the command was understood and may not be done. Nothing was appended.
 */
export interface Rejection<Code extends string = string> {
  readonly code: Code;
  /** One sentence for a person: what is wrong and, where there is one, what to do next. */
  readonly message: string;
  /** True when the same command can succeed later without being changed. */
  readonly retryable: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
}

export function reject<Code extends string>(
  code: Code,
  message: string,
  options: { retryable?: boolean; details?: Readonly<Record<string, unknown>> } = {},
): { readonly ok: false; readonly rejection: Rejection<Code> } {
  const base = { code, message, retryable: options.retryable ?? false };
  return {
    ok: false,
    rejection: options.details === undefined ? base : { ...base, details: options.details },
  };
}
