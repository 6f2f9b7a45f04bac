import fc from "fast-check";
import { expect, it } from "vitest";
import { sha256 as inBrowser } from "./sha256-browser.ts";
import { sha256 as inNode } from "./sha256-node.ts";

it("gives the digests of FIPS 180-4's examples", () => {
  const digest = (text: string) => inBrowser(new TextEncoder().encode(text));
  expect(digest("")).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  expect(digest("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});

it("gives the same digest in a browser as in Node, whatever the length", () => {
  for (let length = 0; length < 200; length += 1) {
    const bytes = new Uint8Array(length).fill(0xa5);
    expect(inBrowser(bytes), `${length} bytes`).toBe(inNode(bytes));
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 5_000 }), (some) => inBrowser(some) === inNode(some)));
});
