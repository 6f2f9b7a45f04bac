import { MAX_HEADER_BYTES, MAX_HEADERS, MAX_HEADERS_BYTES } from "@bioxen/contracts";
import { headers } from "@nats-io/nats-core";
import { describe, expect, it } from "vitest";
import {
  checkedHeaders,
  decodedFields,
  fieldsOf,
  type HeaderField,
  withinLimits,
} from "./request-headers.ts";

const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const block = (...lines: string[]) => new TextEncoder().encode(["NATS/1.0", ...lines, "", ""].join("\r\n"));
const read = (...lines: string[]) => checkedHeaders(fieldsOf(block(...lines)));
const pathsOf = (...lines: string[]) => {
  const result = read(...lines);
  return result.ok ? [] : result.problems.map(({ path }) => path);
};

describe("the headers of a request", () => {
  it("are read as the client library decodes them", () => {
    const h = headers();
    h.set("Nats-Msg-Id", "order 7: a");
    h.append("Other", "one");
    h.append("Other", "two");
    const { fields } = decodedFields(() => h);
    expect(fieldsOf(new TextEncoder().encode(h.toString()))).toEqual(fields);
    expect(fields).toHaveLength(3);
  });

  it("gives the first value of each, and undefined for an absent or empty one", () => {
    const lines = ["Nats-Msg-Id: a", "Nats-Msg-Id: b", "Bioxen-Correlation-Id:", `traceparent: ${TRACE}`];
    expect(read(...lines)).toEqual({
      ok: true,
      headers: { messageId: "a", correlationId: undefined, causationId: undefined, traceparent: TRACE },
    });
  });

  it("names the account of the caller only where the server alone can have written it", () => {
    const account = (...lines: string[]) => {
      const result = read(...lines);
      return result.ok ? result.headers.account : "refused";
    };
    const info = 'Nats-Request-Info: {"acc":"S-lifecycle","rtt":1}';
    expect(account(info)).toBe("S-lifecycle");
    expect(account(info, 'Nats-Request-Info: {"acc":"S-monitor"}')).toBeUndefined();
    expect(account('nats-request-info: {"acc":"S-lifecycle"}')).toBeUndefined();
    expect(account('Nats-Request-Info : {"acc":"S-lifecycle"}')).toBeUndefined();
    for (const bad of ["", "S-lifecycle", "{", "null", "[]", '{"acc":7}', '{"account":"S-lifecycle"}']) {
      expect(account(`Nats-Request-Info: ${bad}`), bad).toBeUndefined();
    }
  });

  it("ignores a trace context that is none", () => {
    expect(read("traceparent: 00-t-s-01")).toMatchObject({ ok: true, headers: { traceparent: undefined } });
  });

  it.each(["Nats-Msg-Id", "Bioxen-Correlation-Id", "Bioxen-Causation-Id", "traceparent"])(
    "rejects %s over the limit, with a control character, or outside ASCII, by its name",
    (name) => {
      expect(pathsOf(`${name}: ${"x".repeat(MAX_HEADER_BYTES)}`)).toEqual([]);
      expect(pathsOf(`${name}: ${"x".repeat(MAX_HEADER_BYTES + 1)}`)).toEqual([name]);
      for (const bad of ["a\nb", "a\rb", "a\u0000b", "a\tb", "a\u007fb", "größe"]) {
        expect(pathsOf(`${name}: ${bad}`), JSON.stringify(bad)).toEqual([name]);
      }
    },
  );

  it("names every bad header at once", () => {
    const long = "x".repeat(MAX_HEADER_BYTES + 1);
    expect(pathsOf(`Nats-Msg-Id: ${long}`, `Bioxen-Causation-Id: ${long}`, "Other: fine")).toEqual([
      "Nats-Msg-Id",
      "Bioxen-Causation-Id",
    ]);
  });

  it("rejects too many headers, and too many bytes in headers that it does not read", () => {
    const many = Array.from({ length: MAX_HEADERS }, (_, i) => `X-${i}: 1`);
    expect(pathsOf(...many)).toEqual([]);
    expect(pathsOf(...many, "X: 1")).toEqual(["headers"]);
    expect(pathsOf(`baggage: ${"x".repeat(MAX_HEADERS_BYTES)}`)).toEqual(["headers"]);
    expect(pathsOf(`baggage: ${"x".repeat(MAX_HEADERS_BYTES - 100)}`, "other: a\nb")).toEqual([]);
  });

  it("reports headers that the client library cannot decode", () => {
    const found = decodedFields(() => {
      throw new Error("values cannot contain \\n");
    });
    expect(found).toMatchObject({ decoded: undefined, fields: [], problem: { path: "headers" } });
  });

  it("keeps only what fits the limits for a later message", () => {
    const fields: HeaderField[] = [
      ["Bioxen-Correlation-Id", "x".repeat(MAX_HEADER_BYTES + 1)],
      ["mine", "1"],
      ["large", "x".repeat(MAX_HEADERS_BYTES)],
      ["after", "1"],
    ];
    expect(withinLimits(fields)).toEqual([["mine", "1"]]);
    expect(checkedHeaders(withinLimits(fields)).ok).toBe(true);
  });
});
