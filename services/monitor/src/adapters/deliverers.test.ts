import type { AlertDeliverer } from "@bioxen/contracts";
import { afterEach, expect, it, vi } from "vitest";
import { NO_WEBHOOKS } from "../app/alert-deliveries.ts";
import { DELIVERY_TIMEOUT_MS, loadDeliverers, withDeliverers } from "./deliverers.ts";

const notification = { notificationId: "n-1" } as Parameters<AlertDeliverer["deliver"]>[0];
const post = (deliver: AlertDeliverer["deliver"]) =>
  withDeliverers(NO_WEBHOOKS, new Map([["own", { deliver }]])).post("own", notification);

afterEach(() => vi.useRealTimers());

it("the deliverer of a package is one more receiver", async () => {
  const env = { ALERT_FILE: "/dev/null" };
  const loaded = await loadDeliverers("file=@bioxen-examples/alert-deliverer", env, ["ops"]);
  const all = withDeliverers({ ...NO_WEBHOOKS, names: ["ops"] }, loaded);
  expect(all.names).toEqual(["ops", "file"]);
  expect(await all.post("file", notification)).toEqual({ kind: "taken" });
  expect(await all.post("ops", notification)).toMatchObject({ kind: "failed", permanent: true });
});

it("reports every problem of the configuration at the start", async () => {
  const names = (text: string) => loadDeliverers(text, {}, ["ops"]);
  await expect(names("Pager=x,ops=y,a=")).rejects.toThrow(/Pager=x: must be.*ops: is named twice.*a=: must/s);
  await expect(names("file=@bioxen-examples/alert-deliverer")).rejects.toThrow(
    /createAlertDeliverer failed: ALERT_FILE/,
  );
  await expect(names("file=@acme/none")).rejects.toThrow(/package not found/);
});

it("a deliverer that throws or returns nonsense has failed, and is retried", async () => {
  expect(await post(() => Promise.reject(new Error("no route")))).toEqual({
    kind: "failed",
    reason: "no route",
    permanent: false,
  });
  expect(await post(async () => undefined as never)).toMatchObject({ kind: "failed", permanent: false });
});

it("a deliverer that never answers has failed after its deadline", async () => {
  const timeout = vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => {
    expect(ms).toBe(DELIVERY_TIMEOUT_MS);
    const controller = new AbortController();
    queueMicrotask(() => controller.abort());
    return controller.signal;
  });
  const never = new Promise<never>(() => undefined);
  expect(await post(() => never)).toMatchObject({ kind: "failed", reason: "no answer in 5000 ms" });
  timeout.mockRestore();
});
