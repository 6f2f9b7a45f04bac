import { describe, expect, it } from "vitest";
import { z } from "zod";
import { createRequest } from "./endpoints/placement.ts";
import { checkedBy } from "./issue-words.ts";

const messagesOf = (schema: z.ZodType, value: unknown) =>
  checkedBy(schema, value).error?.issues.map(({ path, message }) => `${path.join(".")} ${message}`.trim());
const messageOf = (schema: z.ZodType, value: unknown) => messagesOf(schema, value)?.join("; ");

describe("the words for a problem", () => {
  it.each([
    [z.int().max(5), 6, "must be at most 5"],
    [z.number().positive(), 0, "must be more than 0"],
    [z.number().min(0), "x", "must be a number"],
    [z.int(), 1.5, "must be an integer"],
    [z.number().multipleOf(10), 15, "must be a multiple of 10"],
    [z.string(), undefined, "is required"],
    [z.string().min(1), "", "must not be empty"],
    [z.string().max(3), "four", "must have at most 3 characters"],
    [z.array(z.string()).max(1), ["a", "b"], "must have at most 1 item"],
    [z.boolean(), "yes", "must be true or false"],
    [z.record(z.string(), z.string()), [], "must be an object"],
    [z.enum(["syn3a", "ecoli"]), "ecolli", "must be one of syn3a, ecoli (did you mean ecoli?)"],
    [z.enum(["syn3a", "ecoli"]), undefined, "is required: one of syn3a, ecoli"],
    [z.literal("v1"), "v2", 'must be "v1"'],
    [z.url(), "nats", "must be a URL"],
    [z.string().regex(/^a+$/), "b", "must match /^a+$/"],
    [z.union([z.number(), z.boolean()]), "b", "is not valid"],
    [
      z.record(z.string().max(2), z.int()),
      { abc: 1 },
      "abc has an invalid name: it must have at most 2 characters",
    ],
  ] as const)("%# %j", (schema, value, words) => {
    expect(messageOf(schema, value)).toBe(words);
  });

  it("keeps the text of a schema that has one", () => {
    expect(messageOf(z.string().regex(/^a+$/, "must be some a"), "b")).toBe("must be some a");
  });

  it("never contains a text of the schema library, for any field of a request", () => {
    const wrong = { vmId: 1, biologicalType: "e.coli", priority: 9, labels: [], seed: -1, program: 5 };
    const messages = messagesOf(createRequest, { ...wrong, environment: { chloramphenicolMicromolar: -1 } });
    expect(messages).toHaveLength(7);
    for (const one of messages ?? []) expect(one).not.toMatch(/Too |Invalid|expected|received/);
    expect(messages).toContain("environment.chloramphenicolMicromolar must be at least 0");
  });
});
