/** A decoded reply, read without types as another program would read it. */
// biome-ignore lint/suspicious/noExplicitAny: an outsider knows no types.
export type Json = any;
