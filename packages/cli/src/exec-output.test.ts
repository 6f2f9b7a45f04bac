import { expect, it } from "vitest";
import { execOutputOf } from "./exec-output.ts";

it("shows a Lua result after the printed lines, and no result for a program in a machine", () => {
  expect(
    execOutputOf({ ok: true, result: { a: 1 }, stdout: "hi\n", instructions: 3, simMinute: null }),
  ).toEqual({
    stdout: 'hi\n{\n  "a": 1\n}\n',
    stderr: "",
  });
  expect(
    execOutputOf({ ok: true, result: undefined, stdout: "", instructions: 3, simMinute: null }).stdout,
  ).toBe("null\n");
  expect(
    execOutputOf({
      ok: true,
      result: { exitCode: 0, stderr: "warned\n" },
      stdout: "out",
      instructions: 0,
      simMinute: null,
    }),
  ).toEqual({
    stdout: "out",
    stderr: "warned\n",
  });
});

it("shows what a program printed before it failed", () => {
  const error = { code: "GUEST_ERROR", message: "no", retryable: false };
  const details = { exitCode: 3, stdout: "a\n", stderr: "b\n" };
  expect(execOutputOf({ ok: false, error: { ...error, details } })).toEqual({ stdout: "a\n", stderr: "b\n" });
  expect(execOutputOf({ ok: false, error })).toEqual({ stdout: "", stderr: "" });
});
