import { describe, expect, it } from "vitest";
import * as z from "zod";
import { ENDPOINTS } from "../endpoints/catalogue.ts";
import type { Endpoint } from "../endpoints/endpoint.ts";
import { queryPayload } from "./query-payload.ts";
import { HTTP_ROUTES } from "./routes.ts";

const schema = z.strictObject({
  vmId: z.string(),
  limit: z.int().optional(),
  all: z.boolean().default(false),
  fields: z.array(z.string()).optional(),
  filter: z.strictObject({ label: z.string() }).optional(),
});

describe("the routes of the catalogue", () => {
  it("have every public endpoint once, and no internal one", () => {
    const direct = HTTP_ROUTES.filter(({ durable }) => !durable).map(({ endpoint }) => endpoint.subject);
    const all = Object.values<Endpoint>(ENDPOINTS).filter(({ internal }) => !internal);
    expect(direct.sort()).toEqual(all.map(({ subject }) => subject).sort());
    expect(new Set(HTTP_ROUTES.map(({ method, path }) => `${method} ${path}`)).size).toBe(HTTP_ROUTES.length);
  });

  it("name aggregate and verb in the path, and change something by POST only", () => {
    const named = (name: string, durable = false) =>
      HTTP_ROUTES.find((route) => route.name === name && route.durable === durable);
    expect(named("vmCreate")).toMatchObject({ method: "POST", path: "/api/v1/vm/create" });
    expect(named("vmGet")).toMatchObject({ method: "GET", path: "/api/v1/vm/get" });
    expect(named("vmCreate", true)).toMatchObject({ method: "POST", path: "/api/v1/job/vm/create" });
    expect(named("jobOutcomeGet")).toMatchObject({ method: "GET", path: "/api/v1/job/outcome" });
    expect(named("jobCancel", true)).toBeUndefined();
  });
});

describe("the payload of a query", () => {
  it("takes numbers, booleans and lists as the schema says", () => {
    const parameters = { vmId: "7", limit: "12", all: "true", fields: "minute" };
    expect(queryPayload(parameters, schema)).toEqual({
      ok: true,
      payload: { vmId: "7", limit: 12, all: true, fields: ["minute"] },
    });
    expect(queryPayload({ fields: ["a", "b"] }, schema)).toMatchObject({ payload: { fields: ["a", "b"] } });
  });

  it("leaves a wrong value and an unknown field to the service, which says what is wrong", () => {
    expect(queryPayload({ limit: "many", vmid: "c1", all: "1" }, schema)).toEqual({
      ok: true,
      payload: { limit: "many", vmid: "c1", all: "1" },
    });
  });

  it("takes nested fields from the parameter payload", () => {
    const payload = JSON.stringify({ filter: { label: "a" } });
    expect(queryPayload({ payload, vmId: "c1" }, schema)).toEqual({
      ok: true,
      payload: { filter: { label: "a" }, vmId: "c1" },
    });
  });

  it.each([
    [{ payload: "[1]" }, "payload must be one JSON object"],
    [{ payload: "{" }, "payload must be one JSON object"],
    [{ payload: '{"vmId":"a"}', vmId: "b" }, "vmId is also in payload"],
    [{ vmId: ["a", "b"] }, "vmId is there several times"],
  ])("refuses %j", (parameters, problem) => {
    const result = queryPayload(parameters, schema);
    expect(result.ok ? "" : result.problem).toContain(problem);
  });

  it("has a field of every name, `__proto__` too, and changes no prototype", () => {
    const result = queryPayload(JSON.parse('{"__proto__": "x"}'), schema);
    expect(result.ok && Object.keys(result.payload)).toEqual(["__proto__"]);
    expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
  });
});
