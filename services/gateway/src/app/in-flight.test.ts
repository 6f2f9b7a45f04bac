import { ERROR_CODES, ERRORS } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import { HttpError, statusOf } from "./http-error.ts";
import { InFlight, REQUEST_BOUNDS } from "./in-flight.ts";

describe("requests under way", () => {
  it("are bounded for one principal, which leaves room for another one", () => {
    const inFlight = new InFlight(REQUEST_BOUNDS);
    const begun = Array.from({ length: 300 }, () => inFlight.begin("alice")).filter(
      (end) => end !== undefined,
    );
    expect(begun).toHaveLength(256);
    expect(inFlight.begin("bob")).toBeDefined();
    begun[0]?.();
    begun[0]?.();
    expect(inFlight.begin("alice")).toBeDefined();
    expect(inFlight.begin("alice")).toBeUndefined();
  });
});

describe("the status of an error", () => {
  it.each(ERROR_CODES)("%s has the status of the catalogue", (code) => {
    expect(statusOf({ code })).toBe(ERRORS[code].status);
    expect(new HttpError(code, "why").status).toBe(ERRORS[code].status);
    expect(ERRORS[code].status).toBeGreaterThanOrEqual(400);
  });

  it("is 500 for a code of a later release, and for a name that every object has", () => {
    expect(statusOf({ code: "UNHEARD_OF" })).toBe(500);
    expect(statusOf({ code: "constructor" })).toBe(500);
  });
});
