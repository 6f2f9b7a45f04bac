/**
 * A call follows the pages of a listing, asks again for a page that another instance keeps, and always ends.
 */
import type { Caller, CallOptions, Reply } from "@bioxen/kernel";
import { describe, expect, it } from "vitest";
import { callEndpoint } from "./call.ts";
import { ENDPOINTS } from "./endpoints/catalogue.ts";

const OPTIONS: CallOptions = { timeoutMs: 1_000, messageId: "m" };
const gone: Reply = {
  ok: false,
  error: { code: "CONFLICT", message: "gone", retryable: true, details: { cursor: "gone" } },
};

function callerOf(replies: readonly object[]) {
  const received: { payload: unknown; options: CallOptions }[] = [];
  const caller: Pick<Caller, "call"> = {
    call: async (_subject, payload, options) => {
      received.push({ payload, options });
      return replies[Math.min(received.length, replies.length) - 1] as Reply;
    },
  };
  return { caller, received };
}

const page = (ids: string[], cursor: string | null) => ({
  ok: true,
  chassis: ids.map((chassisId) => ({ chassisId })),
  cursor,
});

describe("callEndpoint", () => {
  it("returns the whole listing, and each request names the cursor of the page before, without a message id", async () => {
    const { caller, received } = callerOf([page(["a"], "1:b:0"), page(["b"], "1:c:0"), page(["c"], null)]);
    const reply = await callEndpoint(caller, ENDPOINTS.chassisList, {}, OPTIONS);
    expect(reply).toEqual({ ...page(["a", "b", "c"], null) });
    expect(received.map(({ payload }) => payload)).toEqual([{}, { cursor: "1:b:0" }, { cursor: "1:c:0" }]);
    for (const { options } of received) expect(options.messageId).toBeUndefined();
  });

  it.each([{ limit: 1 }, { cursor: "1:b:0" }])("returns one page to a request with %j", async (request) => {
    const { caller, received } = callerOf([page(["a"], "1:b:0")]);
    expect(await callEndpoint(caller, ENDPOINTS.chassisList, request, OPTIONS)).toEqual(page(["a"], "1:b:0"));
    expect(received).toHaveLength(1);
  });

  it("ends with the last page of a query for one thing, which has no cursor", async () => {
    const ledger = (vmId: string, cursor?: string) => ({
      ok: true,
      vm: { vmId: "v" },
      ledger: { chassisId: "c", entries: [{ vmId }] },
      ...(cursor === undefined ? {} : { cursor }),
    });
    const { caller, received } = callerOf([ledger("a", "5:v:1"), ledger("b")]);
    expect(await callEndpoint(caller, ENDPOINTS.vmGet, { vmId: "v", atSeq: 5 }, OPTIONS)).toEqual({
      ok: true,
      vm: { vmId: "v" },
      ledger: { chassisId: "c", entries: [{ vmId: "a" }, { vmId: "b" }] },
    });
    expect(received).toHaveLength(2);
  });

  it("asks again for a page that another instance keeps, and returns the refusal when none has it", async () => {
    const { caller } = callerOf([page(["a"], "1:b:0"), gone, gone, page(["b"], null)]);
    expect(await callEndpoint(caller, ENDPOINTS.chassisList, {}, OPTIONS)).toEqual(page(["a", "b"], null));
    const nowhere = callerOf([page(["a"], "1:b:0"), gone]);
    expect(await callEndpoint(nowhere.caller, ENDPOINTS.chassisList, {}, OPTIONS)).toEqual(gone);
    expect(nowhere.received.length).toBeLessThan(30);
  });

  it("asks again for a page when an instance of version 0.1.0 got the request, which knows no pages", async () => {
    const unpaged: Reply = {
      ok: false,
      error: {
        code: "BAD_REQUEST",
        message: "cursor is not a field of this command",
        retryable: false,
        details: { problems: [{ path: "cursor", message: "is not a field of this command" }] },
      },
    };
    const { caller } = callerOf([page(["a"], "1:b:0"), unpaged, page(["b"], null)]);
    expect(await callEndpoint(caller, ENDPOINTS.chassisList, {}, OPTIONS)).toEqual(page(["a", "b"], null));
    const nowhere = callerOf([page(["a"], "1:b:0"), unpaged]);
    expect(await callEndpoint(nowhere.caller, ENDPOINTS.chassisList, {}, OPTIONS)).toEqual(unpaged);
    const other = {
      ...unpaged,
      error: { ...unpaged.error, details: { problems: [{ path: "cursor", message: "x" }] } },
    };
    const refused = callerOf([page(["a"], "1:b:0"), other, page(["b"], null)]);
    expect(await callEndpoint(refused.caller, ENDPOINTS.chassisList, {}, OPTIONS)).toEqual(other);
  });

  it("fails when a listing does not go on, and follows no command", async () => {
    const stuck = callerOf([page(["a"], "1:b:0")]);
    await expect(callEndpoint(stuck.caller, ENDPOINTS.chassisList, {}, OPTIONS)).rejects.toMatchObject({
      code: "INTERNAL",
    });
    const drained = { ok: true, changed: true, chassis: {}, drain: null, cursor: "1:f:0" };
    const { caller, received } = callerOf([drained]);
    await callEndpoint(caller, ENDPOINTS.chassisDrain, { chassisId: "c" }, OPTIONS);
    expect(received).toEqual([{ payload: { chassisId: "c" }, options: OPTIONS }]);
  });
});
