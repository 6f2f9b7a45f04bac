/**
 * Every numeric option has a range, and its error names the range.
 */
import { amount, environment } from "@bioxen/contracts";
import { MAX_STACK_TIME_SCALE } from "@bioxen/local-stack";
import type { Command, Option } from "commander";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { MAX_TIME_SCALE } from "../../driver-basic/src/limits.ts";
import { integerIn, numberOf, portOption } from "./parse.ts";
import { createProgram } from "./program.ts";
import { settingOf } from "./settings.ts";

function optionsOf(command: Command, path = ""): { path: string; option: Option }[] {
  return [
    ...command.options.map((option) => ({ path: `${path} ${option.long}`.trim(), option })),
    ...command.commands.flatMap((child) => optionsOf(child, `${path} ${child.name()}`)),
  ];
}

function parse(option: Option, text: string): { value: unknown } | { problem: string } {
  try {
    return { value: option.parseArg?.(text, undefined as never) };
  } catch (thrown) {
    return { problem: String((thrown as Error).message) };
  }
}

/** The options that take an integer or a number only: their parser says so about a word. */
const NUMERIC = optionsOf(await createProgram()).filter(({ option }) => {
  const outcome = option.parseArg === undefined ? undefined : parse(option, "word");
  return (
    outcome !== undefined &&
    "problem" in outcome &&
    /^must be an? (?:integer|number)(?: |\.)/.test(outcome.problem)
  );
});

describe("every numeric option", () => {
  it("is found, also those of all commands", () => {
    expect(new Set(NUMERIC.map(({ option }) => option.long)).size).toBeGreaterThanOrEqual(30);
  });

  it("has a lower end, and names its range when a value is outside, or no number", () => {
    const without = NUMERIC.filter(({ option }) =>
      ["-7", "", " ", "1e400", "NaN", "0x10x", "99999999999999999999999"].some((text) => {
        const outcome = parse(option, text);
        return (
          !("problem" in outcome) ||
          !/ (?:from -?[0-9.]+ to [0-9]+|of at least [0-9]+)\.$/.test(outcome.problem)
        );
      }),
    );
    expect(without.map(({ path }) => path)).toEqual([]);
  });
});

describe("a number of the contract", () => {
  it("has the range of its schema, also when it is optional or has a default", () => {
    for (const schema of [amount, amount.optional(), amount.default(3)]) {
      expect(numberOf(schema)("7")).toBe(7);
      expect(() => numberOf(schema)("-1")).toThrow("must be an integer from 0 to 1000000000000.");
    }
    expect(numberOf(environment.shape.nutrientQuality)("0.5")).toBe(0.5);
    expect(() => numberOf(z.int())("1.5")).toThrow("must be an integer.");
    expect(() => numberOf(z.int().max(3))("4")).toThrow("must be an integer of at most 3.");
    expect(() => numberOf(z.string())).toThrow(TypeError);
  });

  it("accepts the ends of its range", () => {
    expect([portOption("1"), portOption("65535"), integerIn({ min: -2 })("-2")]).toEqual([1, 65_535, -2]);
    expect(settingOf("up.timeScale").parse(String(MAX_STACK_TIME_SCALE))).toBe(MAX_TIME_SCALE);
  });
});
