import { describe, expect, it } from "vitest";
import { isTooDeep, isTraceparent, MAX_NESTING } from "./request-limits.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";
const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
const tooDeep = (text: string) => isTooDeep(new TextEncoder().encode(text));

describe("the depth of a payload", () => {
  it.each([
    ["arrays at the limit", deep(MAX_NESTING), false],
    ["arrays above the limit", deep(MAX_NESTING + 1), true],
    ["objects above the limit", `${'{"a":'.repeat(MAX_NESTING + 1)}1${"}".repeat(MAX_NESTING + 1)}`, true],
    ["many short arrays one after the other", `[${Array(1_000).fill("[]").join()}]`, false],
    ["brackets in a string", JSON.stringify("[{".repeat(1_000)), false],
    ["an escaped quote before brackets in a string", JSON.stringify(`a"${"[".repeat(100)}`), false],
    ["an escaped backslash at the end of a string", `["\\\\",${deep(MAX_NESTING)}]`, true],
    ["an unfinished text", "[".repeat(100_000), true],
    ["no brackets", "1", false],
  ])("%s", (_what, text, expected) => {
    expect(tooDeep(text)).toBe(expected);
  });
});

describe("a trace context", () => {
  it.each([
    [`00-${TRACE}-${PARENT}-01`, true],
    [`00-${TRACE}-${PARENT}-00`, true],
    [`cc-${TRACE}-${PARENT}-01`, true],
    [`cc-${TRACE}-${PARENT}-01-what-the-future-brings`, true],
    [`00-${TRACE}-${PARENT}-01-more`, false],
    [`ff-${TRACE}-${PARENT}-01`, false],
    [`00-${TRACE.toUpperCase()}-${PARENT}-01`, false],
    [`00-${"0".repeat(32)}-${PARENT}-01`, false],
    [`00-${TRACE}-${"0".repeat(16)}-01`, false],
    [`00-${TRACE}-${PARENT}-1`, false],
    [`00-${TRACE.slice(1)}-${PARENT}-01`, false],
    ["", false],
  ])("%s is valid: %s", (value, expected) => {
    expect(isTraceparent(value)).toBe(expected);
  });
});
