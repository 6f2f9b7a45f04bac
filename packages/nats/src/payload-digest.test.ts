import { describe, expect, it } from "vitest";
import { parseJson } from "./command.ts";
import { payloadDigest } from "./payload-digest.ts";

const digest = (text: string) => {
  const data = new TextEncoder().encode(text);
  return payloadDigest(parseJson(data), data);
};

describe("the digest of a payload", () => {
  it("does not depend on spaces, the order of fields, or how a character is written", () => {
    expect(digest('{ "b": [1, {"y":2,"x":1}], "a": "é" }')).toBe(
      digest('{"a":"\\u00e9","b":[1,{"x":1,"y":2}]}'),
    );
    expect(digest("")).toBe(digest("{}"));
  });

  it.each([
    ['{"a":1}', '{"a":2}'],
    ['{"a":[1,2]}', '{"a":[2,1]}'],
    ['{"a":1}', '{"a":"1"}'],
    ['{"a":{}}', '{"a":[]}'],
    ['{"a":null}', "{}"],
    ['{"__proto__":1}', "{}"],
    ["{", "[{"],
    ["{", "{}"],
  ])("tells %s from %s", (one, other) => {
    expect(digest(one)).not.toBe(digest(other));
  });
});
