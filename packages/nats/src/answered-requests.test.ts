import { type Msg, NoRespondersError, RequestError } from "@nats-io/nats-core";
import { MuxSubscription, RequestOne } from "@nats-io/nats-core/internal";
import { beforeAll, expect, it, vi } from "vitest";
import { endAnsweredRequestsQuietly } from "./answered-requests.ts";

beforeAll(endAnsweredRequestsQuietly);

const ANSWER = { data: new Uint8Array([1]) } as Msg;

function aRequest() {
  const mux = new MuxSubscription();
  const request = new RequestOne(mux, "bioxen.cmd.vm.start", { timeout: 60_000 }, false);
  mux.add(request);
  return { mux, request, rejects: vi.spyOn(request.deferred, "reject") };
}

it("ends an answered request without an error", async () => {
  const { mux, request, rejects } = aRequest();
  request.resolver(null, ANSWER);
  await expect(request.deferred).resolves.toBe(ANSWER);
  expect(rejects).not.toHaveBeenCalled();
  expect(mux.size()).toBe(0);
});

it("rejects a request that failed, with the reason of the library", async () => {
  const { mux, request } = aRequest();
  request.resolver(new NoRespondersError("bioxen.cmd.vm.start"), ANSWER);
  const error = await request.deferred.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(RequestError);
  expect((error as RequestError).isNoResponders()).toBe(true);
  expect(mux.size()).toBe(0);
});
