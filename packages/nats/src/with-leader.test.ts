import { NoRespondersError } from "@nats-io/nats-core";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { withLeader } from "./with-leader.ts";

/** The error of the client library for a request to JetStream that no server answered. */
class NotEnabled extends Error {
  override readonly name = "JetStreamNotEnabled";
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it.each([
  ["that JetStream is not enabled", new NotEnabled("jetstream is not enabled")],
  ["that there are no responders", new NoRespondersError("$JS.API.STREAM.MSG.GET.X")],
])("repeats a call while the library says %s", async (_name, error) => {
  const call = vi
    .fn<() => Promise<string>>()
    .mockRejectedValueOnce(error)
    .mockRejectedValueOnce(error)
    .mockResolvedValue("read");
  const result = withLeader(call);
  await vi.advanceTimersByTimeAsync(1_000);
  await expect(result).resolves.toBe("read");
  expect(call).toHaveBeenCalledTimes(3);
});

it("gives up before a caller does, and throws other errors at once", async () => {
  const call = vi.fn<() => Promise<string>>().mockRejectedValue(new NotEnabled("jetstream is not enabled"));
  const result = expect(withLeader(call)).rejects.toThrow("not enabled");
  await vi.advanceTimersByTimeAsync(10_000);
  await result;
  const other = vi.fn<() => Promise<string>>().mockRejectedValue(new Error("permission denied"));
  await expect(withLeader(other)).rejects.toThrow("permission denied");
  expect(other).toHaveBeenCalledTimes(1);
});
