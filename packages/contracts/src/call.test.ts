/**
 * A reply that lacks a field of its endpoint is a fault, not a value with `undefined` in it.
 */
import type { Caller, Reply } from "@bioxen/kernel";
import { expect, it } from "vitest";
import { callEndpoint } from "./call.ts";
import { ENDPOINTS } from "./endpoints/catalogue.ts";

const answering = (reply: unknown): Caller => ({ call: () => Promise.resolve(reply as Reply) });
const list = (reply: unknown) => callEndpoint(answering(reply), ENDPOINTS.vmList, {}, { timeoutMs: 1_000 });

it("throws INTERNAL that names the subject and the absent field", async () => {
  await expect(list({ ok: true })).rejects.toMatchObject({
    code: "INTERNAL",
    retryable: false,
    message: expect.stringMatching(/bioxen\.qry\.vm\.list has no vms/),
    details: { absent: ["vms"] },
  });
});

it("accepts the reply of an older service, which lacks a nullable field", async () => {
  expect(await list({ ok: true, vms: [] })).toEqual({ ok: true, vms: [] });
});

it("returns a refusal as it is", async () => {
  const refusal = { ok: false, error: { code: "CONFLICT", message: "m", retryable: true } };
  expect(await list(refusal)).toEqual(refusal);
});
