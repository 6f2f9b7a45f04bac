import { describe, expect, it } from "vitest";
import { accountFor } from "./account.ts";
import { problemOfAnswer } from "./answers.ts";
import { blockOf } from "./headers.ts";
import { verdictOn } from "./oracle.ts";
import { randomOf } from "./random.ts";
import { requestOf, TARGETS } from "./requests.ts";
import { fieldNamesOf, wellFormed } from "./well-formed.ts";

const SEED = 7;
const requests = Array.from({ length: 6_000 }, (_, index) => requestOf(SEED, index));

describe("the requests of a seed", () => {
  it("has well-formed requests of every endpoint, with each of their fields at some time", () => {
    for (const endpoint of TARGETS) {
      const fields = new Set<string>();
      for (let i = 0; i < 60; i += 1) {
        const made = wellFormed(randomOf(SEED, i), endpoint) as object;
        for (const field of Object.keys(made)) fields.add(field);
      }
      expect([...fields].sort(), endpoint.subject).toEqual(fieldNamesOf(endpoint).sort());
    }
  });

  it("are refused by the schema in at least 95 of 100 cases, on every subject", () => {
    const refused = requests.filter(({ expected }) => expected === "malformed" || expected === "too large");
    expect(refused.length / requests.length).toBeGreaterThan(0.955);
    const subjects = new Set(refused.map(({ subject }) => subject));
    expect(TARGETS.map(({ subject }) => subject).filter((subject) => !subjects.has(subject))).toEqual([]);
  });

  it("have every kind and every expectation", () => {
    const kinds = new Set(requests.map(({ kind }) => kind));
    expect(kinds).toEqual(
      new Set(["fields", "depth", "bytes", "headers", "message id", "large", "odd", "reply"]),
    );
    const expected = new Set(requests.map((request) => request.expected));
    expect(expected).toEqual(new Set(["malformed", "too large", "well-formed", "dropped", "silent"]));
  });

  it("nest JSON deeply in fields that accept any JSON, below and above the limit", () => {
    const deep = requests.filter(({ kind }) => kind === "depth");
    expect(deep.map(({ subject }) => subject)).toContain("bioxen.cmd.vm.create");
    expect(new Set(deep.map(({ expected }) => expected))).toEqual(new Set(["malformed", "well-formed"]));
    expect(Math.max(...deep.map(({ payload }) => payload.byteLength))).toBeGreaterThan(20_000);
  });

  it("are the same again, each on its own", () => {
    for (const index of [0, 17, 999]) expect(requestOf(SEED, index)).toEqual(requests[index]);
    expect(requestOf(SEED + 1, 17)).not.toEqual(requests[17]);
  });
});

describe("the oracle", () => {
  const get = TARGETS.find(({ subject }) => subject === "bioxen.qry.vm.get");
  if (get === undefined) throw new Error("the catalogue has no vm.get");
  const verdict = (payload: string | Uint8Array, headers?: Uint8Array) =>
    verdictOn({ subject: get.subject, payload: Buffer.from(payload), headers }, get);

  it("knows what the contract says of sizes, bytes, depth and fields", () => {
    expect(verdict('{"vmId":"a"}')).toBe("well-formed");
    expect(verdict('\ufeff{"vmId":"a"}')).toBe("well-formed");
    expect(verdict('{"vmId":"a"}'.padEnd(524_288))).toBe("well-formed");
    expect(verdict('{"vmId":"a"}'.padEnd(524_289))).toBe("too large");
    expect(verdict("")).toBe("malformed");
    expect(verdict('{"vmId":"a","vmId":"A"}')).toBe("malformed");
    expect(verdict('{"vmId":"a","x":1}')).toBe("malformed");
    expect(verdict(Buffer.from([0x22, 0xff, 0x22]))).toBe("malformed");
    expect(verdict(`${"[".repeat(5_000)}${"]".repeat(5_000)}`)).toBe("malformed");
  });

  it("knows what the contract says of headers", () => {
    const id = (value: string) => verdict('{"vmId":"a"}', blockOf([["Nats-Msg-Id", value]]));
    expect(id("x".repeat(255))).toBe("well-formed");
    expect(id("x".repeat(256))).toBe("malformed");
    expect(id("a\nb")).toBe("malformed");
    expect(verdict('{"vmId":"a"}', blockOf([["traceparent", "no trace"]]))).toBe("well-formed");
  });
});

describe("the checks of a run", () => {
  const malformed = requests.find(({ expected, sharesId }) => expected === "malformed" && !sharesId);
  if (malformed === undefined) throw new Error("no malformed request");
  const answered = (reply: object, status = "") => ({
    headers: status === "" ? "" : `NATS/1.0\r\nNats-Service-Error-Code: ${status}\r\n\r\n`,
    data: Buffer.from(JSON.stringify(reply)),
  });
  const refusal = (code: string, status: string) =>
    problemOfAnswer(malformed, answered({ ok: false, error: { code } }, status));

  it("find an answer that is absent, wrong, or INTERNAL", () => {
    expect(refusal("BAD_REQUEST", "400")).toBeUndefined();
    expect(refusal("BAD_REQUEST", "404")).toMatch(/status 404/);
    expect(refusal("VM_NOT_FOUND", "404")).toMatch(/is VM_NOT_FOUND/);
    expect(refusal("INTERNAL", "500")).toMatch(/is INTERNAL/);
    expect(problemOfAnswer(malformed, answered({ ok: true }))).toMatch(/is ok/);
    expect(problemOfAnswer(malformed, answered({ stream: "X", seq: 1 }))).toMatch(/got no reply/);
    expect(problemOfAnswer(malformed, undefined)).toMatch(/got no answer/);
  });

  it("find an event of a refused request, and an event without a cause", () => {
    const event = (seq: number, correlationid: string, causationid = "x") => ({
      ...{ seq, id: `e${seq}`, type: "t", subject: "vm/a", correlationid, causationid },
    });
    const outcomes = { after: 1, accepted: new Set(["good"]), refused: new Set(["bad"]) };
    const account = accountFor(
      [
        event(1, "before the run"),
        event(2, "good"),
        event(3, "own", "e1"),
        event(4, "a default rule", "default-rules"),
        event(5, "bad", "e2"),
        event(6, "other", "e7"),
      ],
      outcomes,
    );
    expect(account.byRequest).toBe(1);
    expect([...account.byService]).toEqual([["t", 2]]);
    expect(account.problems).toEqual([
      "t of vm/a at 5 was caused by the refused request bad",
      "t of vm/a at 6 has the unknown cause e7, correlation other",
    ]);
  });
});
