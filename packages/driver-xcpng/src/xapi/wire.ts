/**
 * XAPI's types as its datamodel writes them ("VM ref", "(string -> string) map"), and what they are here.
 *
 * References are opaque strings and are not told apart by the compiler: they live for one call sequence. The null
 * reference is {@link NULL_REF}.
 */
import type { RecordsByClass } from "./records.ts";
import type { Ref } from "./ref.ts";

/** What a value of the datamodel's type `T` is in JSON-RPC. */
export type WireValue<T extends string> = T extends "void"
  ? unknown
  : T extends "string" | "datetime" | `enum ${string}`
    ? T extends `${string} set`
      ? readonly string[]
      : string
    : T extends "int" | "float"
      ? number
      : T extends "bool"
        ? boolean
        : T extends "string set" | `${string} ref set`
          ? readonly string[]
          : T extends `(${string} ref -> ${infer C} record) map`
            ? Readonly<Record<Ref, RecordOf<C>>>
            : T extends "(string -> string) map"
              ? Readonly<Record<string, string>>
              : T extends `${string} ref`
                ? Ref
                : T extends `${infer C} record`
                  ? RecordOf<C>
                  : T extends "an event batch"
                    ? EventBatch
                    : never;

type RecordOf<C extends string> = C extends keyof RecordsByClass ? RecordsByClass[C] : never;

export interface XapiEvent {
  /** In lower case, whatever case the subscription had. */
  readonly class: string;
  readonly operation: "add" | "mod" | "del";
  readonly ref: Ref;
  /** Absent for `del`. */
  readonly snapshot?: unknown;
}

export interface EventBatch {
  readonly events: readonly XapiEvent[];
  readonly token: string;
}
