/**
 * Every event type that was ever written stays readable, and is read as its newest version.
 */
import { readFileSync } from "node:fs";
import type { EventEnvelope } from "@bioxen/kernel";
import { describe, expect, expectTypeOf, it } from "vitest";
import {
  ALL_TYPES,
  type GoldenReading,
  goldenPath,
  goldenTypes,
  readingOf,
  readingPath,
} from "../scripts/golden-events.ts";
import { digestOf, EVENT_TYPES, encodeEvent } from "./codec.ts";
import type { VmEvent } from "./events/vm.ts";
import { isSuperseded, nextVersionOf, UPCASTERS, upcast } from "./upcasters.ts";

const golden = (type: string) => readFileSync(goldenPath(type));
const envelopeOf = (type: string) => JSON.parse(golden(type).toString()) as EventEnvelope;

describe("golden events", () => {
  it("exist for every type in every version, and for no other", () => {
    expect(goldenTypes()).toEqual(ALL_TYPES);
  });

  it.each(ALL_TYPES)("%s is still read as its pinned reading says", (type) => {
    expect(envelopeOf(type).type).toBe(type);
    const pinned = JSON.parse(readFileSync(readingPath(type), "utf8")) as GoldenReading;
    const { digest, event, state } = readingOf(golden(type));
    expect({ digest, event }).toEqual({ digest: pinned.digest, event: pinned.event });
    // A state may gain fields, but keeps the pinned ones.
    expect(state).toMatchObject(pinned.state as object);
  });

  it.each(ALL_TYPES.filter((type) => !isSuperseded(type)))("%s is encoded to its stored bytes", (type) => {
    const { event } = readingOf(golden(type));
    expect(event).toEqual(envelopeOf(type));
    expect(digestOf(encodeEvent(envelopeOf(type)))).toBe(digestOf(golden(type)));
  });
});

describe("versions", () => {
  it("every superseded version has a step, every step has a target, and no version is skipped", () => {
    const followed = ALL_TYPES.filter((type) => nextVersionOf(type) in EVENT_TYPES);
    expect(Object.keys(UPCASTERS).sort()).toEqual(followed);
    for (const type of ALL_TYPES) {
      const version = Number(/\d+$/.exec(type)?.[0]);
      const before = type.replace(/\d+$/, String(version - 1));
      if (version > 1) expect(ALL_TYPES, `${type} has no ${before}`).toContain(before);
    }
  });

  it.each(Object.keys(UPCASTERS))("%s is upcast to a valid event of the newest version", (type) => {
    const old = envelopeOf(type);
    const frozen = JSON.stringify(old);
    const now = upcast(old);
    expect(isSuperseded(now.type)).toBe(false);
    expect(EVENT_TYPES[now.type]?.parse(now.data)).toEqual(now.data);
    expect({ ...now, type: "", data: {} }).toEqual({ ...old, type: "", data: {} });
    expect(JSON.stringify(old)).toBe(frozen);
  });

  it("an event of the newest version is returned as the same object", () => {
    const event = envelopeOf("bioxen.vm.placed.v1");
    expect(upcast(event)).toBe(event);
  });

  it("neither the types nor the encoder allow a superseded version to be written", () => {
    expectTypeOf<"bioxen.vm.displaced.v2">().toExtend<VmEvent["type"]>();
    expectTypeOf<"bioxen.vm.displaced.v1">().not.toExtend<VmEvent["type"]>();
    for (const type of Object.keys(UPCASTERS)) {
      expect(() => encodeEvent(envelopeOf(type))).toThrow("only the newest version");
    }
  });
});
