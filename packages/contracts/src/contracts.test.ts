/**
 * The codec, request schemas, errors and the feasibility rule.
 */
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { decodeEvent, decodeMessage, digestOf, encodeEvent } from "./codec.ts";
import { ENDPOINTS } from "./endpoints/catalogue.ts";
import { problemsOf } from "./endpoints/endpoint.ts";
import { createRequest } from "./endpoints/placement.ts";
import { ERROR_CODES, ERRORS } from "./errors.ts";
import { roomFor } from "./feasibility.ts";
import { FULL_DEMAND, requestedAmounts } from "./resources.ts";
import { BIOXEN_VERSION } from "./version.ts";

const envelope = {
  specversion: "1.0",
  id: "e1",
  source: "/bioxen/test",
  type: "bioxen.chassis.cordoned.v1",
  subject: "chassis/c1",
  time: "2026-01-01T00:00:00.000Z",
  datacontenttype: "application/json",
  data: {},
  aggregateversion: 2,
  correlationid: "x",
  causationid: "y",
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
} as const;
const SUBJECT = "bioxen.evt.chassis.c1";

describe("the codec", () => {
  it("decodes what it has encoded", () => {
    const { seq, streamSubject, digest, envelope: decoded } = decodeEvent(encodeEvent(envelope), 9, SUBJECT);
    expect({ seq, streamSubject, digest, decoded }).toEqual({
      seq: 9,
      streamSubject: SUBJECT,
      digest: digestOf(encodeEvent(envelope)),
      decoded: envelope,
    });
  });

  it.each([
    [{}],
    [{ principal: "alice" }],
    [{ principal: "service:lifecycle", onbehalfof: "alice" }],
    [{ principal: "agent:local", onbehalfof: "alice", tracestate: "a=b" }],
  ])("keeps the principals of an event: %j", (principals) => {
    const bytes = encodeEvent({ ...envelope, ...principals });
    const { envelope: decoded } = decodeEvent(bytes, 9, SUBJECT);
    expect(decoded).toEqual({ ...envelope, ...principals });
    expect(new TextDecoder().decode(encodeEvent(decoded))).toBe(new TextDecoder().decode(bytes));
  });

  const text = (changes: object) => JSON.stringify({ ...envelope, ...changes });
  const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;

  it.each([
    ["no bytes", "", SUBJECT, "not JSON"],
    ["an empty object", "{}", SUBJECT, "specversion"],
    ["not JSON", "{", SUBJECT, "not JSON"],
    ["JSON that is no object", "[1]", SUBJECT, "expected object"],
    ["version 0", text({ aggregateversion: 0 }), SUBJECT, "aggregateversion"],
    ["a principal that is no text", text({ principal: 7 }), SUBJECT, "principal"],
    ["the subject of another aggregate", text({}), "bioxen.evt.chassis.c2", "its subject is chassis/c1"],
    ["no type of an event", text({ type: "exploded" }), SUBJECT, "exploded is not a type"],
    ["a type that every object has", text({ type: "toString" }), SUBJECT, "toString is not a type"],
    [
      "data of another shape",
      text({ type: "bioxen.chassis.registered.v1", data: { maxVms: -1 } }),
      SUBJECT,
      "registered.v1",
    ],
    ["deeply nested JSON", `{"type":"bioxen.vm.created.v1","data":${deep}}`, SUBJECT, ""],
  ])("finds %s unreadable", (_what, body, subject, why) => {
    const bytes = new TextEncoder().encode(body);
    expect(decodeMessage(bytes, 9, subject)).toEqual({
      seq: 9,
      streamSubject: subject,
      digest: digestOf(bytes),
      why: expect.stringContaining(why),
      isNewer: false,
    });
    const details = { seq: 9, subject, newer: false };
    expect(() => decodeEvent(bytes, 9, subject)).toThrow(
      expect.objectContaining({ code: "CORRUPT_EVENT", retryable: false, details }),
    );
  });

  it("finds bytes that are not UTF-8 unreadable", () => {
    const bytes = new Uint8Array([...encodeEvent(envelope).subarray(0, -2), 0xff, 0x7d]);
    expect(decodeMessage(bytes, 9, SUBJECT)).toMatchObject({ why: "it is not JSON" });
  });

  it.each([
    ["an unknown type", text({ type: "bioxen.chassis.exploded.v1" }), SUBJECT],
    ["an unknown version of a type", text({ type: "bioxen.chassis.cordoned.v9" }), SUBJECT],
    ["another envelope", text({ type: "bioxen.chassis.cordoned.v9", specversion: "2.0" }), SUBJECT],
    [
      "an unknown kind of aggregate",
      text({ type: "bioxen.course.kept.v1", subject: "course/c1" }),
      "bioxen.evt.course.c1",
    ],
  ])("says that a newer BioXen wrote an event of %s", (_what, body, subject) => {
    expect(decodeMessage(new TextEncoder().encode(body), 9, subject)).toMatchObject({
      isNewer: true,
      why: expect.stringContaining(
        `written by a newer BioXen: version ${BIOXEN_VERSION} does not know the type`,
      ),
    });
  });
});

describe("requests", () => {
  it("a share refers to the full demand and is rounded up", () => {
    const full = FULL_DEMAND.syn3a;
    expect(requestedAmounts({ ribosomes: "50%" }, full, full)).toEqual({ ...full, ribosomes: 252 });
    expect(requestedAmounts({ ribosomes: "0%", dnaKilobases: 7 }, full, full)).toEqual({
      ...full,
      ribosomes: 0,
      dnaKilobases: 7,
    });
  });

  it("every problem is reported with its path", () => {
    const parsed = createRequest.safeParse({
      vmId: "-x",
      biologicalType: "virus",
      resources: { ribosomes: 1.5, atpPerSecond: "150%" },
      config: { a: { b: [{ apiKey: "k" }] } },
      nonsense: 1,
    });
    const paths = parsed.success
      ? []
      : problemsOf(parsed.error, createRequest).map((problem) => problem.path);
    expect(paths.sort()).toEqual([
      "biologicalType",
      "config.a.b.0.apiKey",
      "nonsense",
      "resources.atpPerSecond",
      "resources.ribosomes",
      "vmId",
    ]);
  });

  it("every endpoint has schemas and a unique subject", () => {
    const endpoints = Object.values(ENDPOINTS);
    expect(new Set(endpoints.map((e) => e.subject)).size).toBe(endpoints.length);
    for (const { request, result, summary } of endpoints) {
      expect(summary.endsWith(".")).toBe(true);
      for (const schema of [request, result]) {
        expect(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" })).toBeTypeOf("object");
      }
    }
  });
});

describe("errors", () => {
  it("every code has a status, a meaning and a remedy", () => {
    for (const code of ERROR_CODES) {
      expect(ERRORS[code].status).toBeGreaterThanOrEqual(400);
      expect(ERRORS[code].meaning.endsWith(".")).toBe(true);
      expect(ERRORS[code].remedy.endsWith(".")).toBe(true);
    }
  });
});

describe("feasibility", () => {
  const room = { free: { ribosomes: 10, dnaKilobases: 100 }, placesLeft: 1 };

  it("names the resource with the largest shortage", () => {
    expect(roomFor({ ribosomes: 10, dnaKilobases: 100 }, room)).toBeUndefined();
    expect(roomFor({ ribosomes: 12, dnaKilobases: 150 }, room)).toMatchObject({
      code: "CAPACITY_EXCEEDED",
      resource: "dnaKilobases",
      requested: 150,
      free: 100,
    });
    expect(roomFor({}, { ...room, placesLeft: 0 })).toMatchObject({ resource: "maxVms" });
  });
});
