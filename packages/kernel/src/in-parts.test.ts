import { describe, expect, it } from "vitest";
import { Fault } from "./fault.ts";
import { type SentPart, sendInParts } from "./in-parts.ts";

const tooLarge = () => new Fault("TOO_LARGE", "too large", { retryable: false });

describe("sendInParts", () => {
  it("sends everything once and in order, in parts of which each fits", async () => {
    const parts: (readonly number[])[] = [];
    const results = await sendInParts([1, 2, 3, 4, 5, 6, 7], async (part): Promise<SentPart<number>> => {
      if (part.length > 4) throw tooLarge();
      if (part.length > 2) return { kind: "too-large", cause: tooLarge() };
      parts.push(part);
      return { kind: "sent", result: part.length };
    });
    expect(parts.flat()).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(results).toEqual(parts.map((part) => part.length));
  });

  it("throws when one item alone is too large, and any other failure at once", async () => {
    await expect(sendInParts([1, 2], async () => Promise.reject(tooLarge()))).rejects.toMatchObject({
      code: "TOO_LARGE",
    });
    let calls = 0;
    const failing = async () => {
      calls += 1;
      throw new Fault("UNAVAILABLE", "away", { retryable: true });
    };
    await expect(sendInParts([1, 2, 3], failing)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(calls).toBe(1);
  });
});
