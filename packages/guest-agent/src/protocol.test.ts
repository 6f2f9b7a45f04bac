import { DriverError, driverErrorCode } from "@bioxen/vm-driver";
import { describe, expect, it } from "vitest";
import {
  AGENT_KEY,
  type CellIdentity,
  failureOf,
  identityKeyNames,
  identityKeys,
  identityOfKeys,
  MAX_MESSAGE_BYTES,
  parseAgentReport,
  parseReply,
  parseRequest,
  parseSampleReport,
  xenstoreValue,
} from "./protocol.ts";

const IDENTITY: CellIdentity = {
  vmId: "cell-1",
  incarnation: 2,
  fence: 77,
  biologicalType: "syn3a",
  seed: 123_456_789_012,
  environment: { nutrientQuality: 0.5 },
  allocation: { ribosomes: 252, vcpus: 2 },
  config: { partitionNoise: true },
  timeScale: 10,
  restores: 3,
  boot: "ssh",
};

function thrownBy(body: () => unknown): DriverError {
  try {
    body();
  } catch (error) {
    if (error instanceof DriverError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("the identity in xenstore", () => {
  it("survives the way through the keys", () => {
    const keys = identityKeys(IDENTITY);
    expect(Object.keys(keys)).toEqual(identityKeyNames);
    expect(identityOfKeys({ ...keys, [AGENT_KEY]: "{}" })).toEqual(IDENTITY);
  });

  it("needs four keys, and has defaults for the others", () => {
    const required = {
      "vm-data/bioxen/vm-id": "cell-1",
      "vm-data/bioxen/incarnation": "1",
      "vm-data/bioxen/type": "ecoli",
      "vm-data/bioxen/seed": "5",
    };
    expect(identityOfKeys(required)).toMatchObject({ fence: 1, timeScale: 1, restores: 0, boot: "xenstore" });
    for (const name of Object.keys(required)) {
      const { [name as keyof typeof required]: _, ...rest } = required;
      expect(driverErrorCode(thrownBy(() => identityOfKeys(rest)))).toBe("BAD_REQUEST");
    }
    expect(identityOfKeys({})).toBeUndefined();
  });

  it("names every problem", () => {
    const keys = { ...identityKeys(IDENTITY), "vm-data/bioxen/seed": "x", "vm-data/bioxen/time-scale": "0" };
    const { message } = thrownBy(() => identityOfKeys(keys));
    expect(message).toMatch(/seed: is not JSON/);
    expect(message).toMatch(/timeScale/);
  });

  it("is rejected where xenstore would change or refuse a value", () => {
    const bad = (config: Record<string, unknown>) => thrownBy(() => identityKeys({ ...IDENTITY, config }));
    expect(bad({ text: "x".repeat(2_048) }).code).toBe("TOO_LARGE");
    expect(bad({ text: 'a "quoted" word' }).code).toBe("BAD_REQUEST");
    expect(bad({ text: "caf\u00e9" }).code).toBe("BAD_REQUEST");
    expect(xenstoreValue("key", "x".repeat(2_048))).toHaveLength(2_048);
  });
});

describe("requests", () => {
  it("take a checkpoint of the largest size", () => {
    const checkpointBase64 = Buffer.alloc(786_432, 7).toString("base64");
    const { vmId, incarnation, fence, biologicalType, seed, allocation, config } = IDENTITY;
    const spec = { vmId, incarnation, fence, biologicalType, seed, allocation, config };
    const program = "\u0001".repeat(65_536);
    const request = { op: "boot", spec: { ...spec, program }, timeScale: 1, checkpointBase64 } as const;
    expect(parseRequest(JSON.stringify(request))).toEqual(request);
  });

  it.each([
    ["no JSON", "boot", /not JSON/],
    ["an unknown operation", '{"op":"halt"}', /op/],
    ["an unknown field", '{"op":"status","verbose":true}', /verbose/],
    ["a wrong type", '{"op":"exec","source":1,"timeoutMs":0}', /source.*timeoutMs/],
    ["a negative amount", '{"op":"resize","allocation":{"ribosomes":-1}}', /allocation\.ribosomes/],
    ["no base64", '{"op":"restart","spec":{},"checkpointBase64":"%"}', /spec\.vmId.*checkpointBase64/],
  ])("are rejected: %s", (_, line, message) => {
    const error = thrownBy(() => parseRequest(line));
    expect(error).toMatchObject({ code: "BAD_REQUEST", retryable: false });
    expect(error.message).toMatch(message);
  });

  it("are rejected above the limit of size", () => {
    expect(thrownBy(() => parseRequest(" ".repeat(MAX_MESSAGE_BYTES + 1))).code).toBe("TOO_LARGE");
  });
});

describe("what leaves the machine", () => {
  it("is a failure with its code, details and whether to retry", () => {
    const error = new DriverError("UNAVAILABLE", "busy", { retryable: false, details: { n: 1 } });
    const thrown = thrownBy(() => parseReply("exec", JSON.stringify(failureOf(error))));
    expect(thrown).toMatchObject({
      code: "UNAVAILABLE",
      message: "busy",
      retryable: false,
      details: { n: 1 },
    });
  });

  it.each(["", "null", "{}", '{"ok":true}', '{"ok":false,"code":"OTHER","message":""}', "[1]"])(
    "is not believed: %s",
    (line) => {
      expect(thrownBy(() => parseReply("checkpoint", line))).toMatchObject({
        code: "UNAVAILABLE",
        retryable: false,
      });
    },
  );

  it("may have fields of a newer agent, which are left out", () => {
    const line = '{"ok":true,"simMinutes":3,"bytesBase64":"AAAA","more":1}';
    expect(parseReply("checkpoint", line)).toEqual({ ok: true, simMinutes: 3, bytesBase64: "AAAA" });
  });

  it("is a report of the agent and of its sample", () => {
    const report = {
      version: "0.2.0",
      protocol: 1,
      model: "weisse",
      state: "running",
      incarnation: 1,
      fence: 2,
    };
    expect(parseAgentReport(JSON.stringify(report))).toEqual(report);
    expect(thrownBy(() => parseAgentReport('{"state":"happy"}')).message).toMatch(/state/);
    expect(thrownBy(() => parseSampleReport('{"simMinutes":1e999}')).code).toBe("UNAVAILABLE");
  });
});
