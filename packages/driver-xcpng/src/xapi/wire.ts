/**
 * XAPI's types in the datamodel's notation ("VM ref", "(string -> string) map"), mapped to TypeScript types of
 * JSON-RPC.
 */
import type { RecordsByClass } from "./records.ts";
import type { Ref } from "./ref.ts";

/** The TypeScript type of a JSON-RPC value whose type in the datamodel is `T`. */
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
  /** The object's class, in lower case even if the subscription used upper case. */
  readonly class: string;
  readonly operation: "add" | "mod" | "del";
  readonly ref: Ref;
  /** The object's record after the change; absent for `del`. */
  readonly snapshot?: unknown;
}

export interface EventBatch {
  readonly events: readonly XapiEvent[];
  readonly token: string;
}
