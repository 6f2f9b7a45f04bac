/**
 * Only a message with the form of a reply is a reply.
 */
import { headers, type NatsConnection } from "@nats-io/nats-core";
import { describe, expect, it } from "vitest";
import { receivedFrom, replyTo } from "./replies.ts";

const encoder = new TextEncoder();
const received = (text: string) => receivedFrom(encoder.encode(text));

describe("a message on a reply subject", () => {
  it.each(['{"ok":true,"vm":{}}', '{"ok":false,"error":{"code":"CONFLICT","message":"m","retryable":true}}'])(
    "is a reply: %s",
    (text) => {
      expect(received(text)).toEqual({ kind: "reply", reply: JSON.parse(text) });
    },
  );

  it.each([
    '{"stream":"EVERYTHING","seq":7}',
    '{"stream":"EVERYTHING","domain":"hub","seq":7,"duplicate":true}',
    '{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},"stream":"EVERYTHING","seq":0}',
  ])("is the answer of a stream: %s", (text) => {
    expect(received(text)).toEqual({ kind: "acknowledgement", stream: "EVERYTHING" });
  });

  it.each([
    ["", "is not JSON"],
    ["no", "is not JSON"],
    ["7", "is not a JSON object"],
    ["null", "is not a JSON object"],
    ["{}", "has no boolean `ok`"],
    ['{"ok":"true"}', "has no boolean `ok`"],
    ['{"ok":false}', "is a refusal without an error"],
    ['{"ok":false,"error":"no"}', "is a refusal without an error"],
    ['{"ok":false,"error":{"code":500}}', "is a refusal without an error"],
  ])("is malformed: %s", (text, why) => {
    expect(received(text)).toEqual({ kind: "malformed", why });
  });
});

it("makes its request without a stack trace, and leaves those of others alone", async () => {
  const before = Error.stackTraceLimit;
  let during: number | undefined;
  const requestMany = async function* () {
    yield { data: new TextEncoder().encode('{"ok":true}') };
  };
  const connection = {
    requestMany: async () => {
      during = Error.stackTraceLimit;
      return requestMany();
    },
  } as unknown as NatsConnection;
  const options = { timeoutMs: 1_000, headers: headers() };
  await expect(replyTo(connection, "bioxen.cmd.vm.start", new Uint8Array(), options)).resolves.toEqual({
    ok: true,
  });
  expect(during).toBe(0);
  expect(Error.stackTraceLimit).toBe(before);
});
