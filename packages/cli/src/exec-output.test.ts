import { expect, it } from "vitest";
import { shownOf } from "./exec-output.ts";

it("of Lua the value comes after what was printed; of a machine's program there is none", () => {
  expect(shownOf({ ok: true, result: { a: 1 }, stdout: "hi\n", instructions: 3 })).toEqual({
    stdout: 'hi\n{\n  "a": 1\n}\n',
    stderr: "",
  });
  expect(shownOf({ ok: true, result: undefined, stdout: "", instructions: 3 }).stdout).toBe("null\n");
  expect(
    shownOf({ ok: true, result: { exitCode: 0, stderr: "warned\n" }, stdout: "out", instructions: 0 }),
  ).toEqual({
    stdout: "out",
    stderr: "warned\n",
  });
});

it("what a program said before it failed is shown too", () => {
  const error = { code: "GUEST_ERROR", message: "no", retryable: false };
  const details = { exitCode: 3, stdout: "a\n", stderr: "b\n" };
  expect(shownOf({ ok: false, error: { ...error, details } })).toEqual({ stdout: "a\n", stderr: "b\n" });
  expect(shownOf({ ok: false, error })).toEqual({ stdout: "", stderr: "" });
});
