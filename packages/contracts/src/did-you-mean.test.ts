import { describe, expect, it } from "vitest";
import { suggestion } from "./did-you-mean.ts";

const TYPES = ["syn3a", "ecoli", "minimal_cell"];

describe("a suggestion", () => {
  it("is the closest candidate", () => {
    expect(suggestion("syn3", TYPES)).toBe(" (did you mean syn3a?)");
    expect(suggestion("E-coli", TYPES)).toBe(" (did you mean ecoli?)");
    expect(suggestion("minimalcell", TYPES)).toBe(" (did you mean minimal_cell?)");
  });

  it("is absent when no candidate is close", () => {
    expect(suggestion("yeast", TYPES)).toBe("");
    expect(suggestion("", TYPES)).toBe("");
    expect(suggestion("x", ["y"])).toBe("");
  });
});
