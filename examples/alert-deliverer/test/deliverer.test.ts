import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { alertDelivererContract } from "@bioxen/testkit/extensions";
import { expect, it } from "vitest";
import { createAlertDeliverer } from "../src/index.ts";

alertDelivererContract("to a file", async () => {
  const dir = await mkdtemp(join(tmpdir(), "bioxen-alerts-"));
  const path = join(dir, "alerts.jsonl");
  return {
    deliverer: createAlertDeliverer({ env: { ALERT_FILE: path } }),
    arrived: async () => {
      const lines = (await readFile(path, "utf8")).trim().split("\n");
      return lines.map((line) => JSON.parse(line).notificationId);
    },
    cutOff: () => rm(dir, { recursive: true, force: true }),
    close: () => rm(dir, { recursive: true, force: true }),
  };
});

it("does not begin without a file", () => {
  expect(() => createAlertDeliverer({ env: {} })).toThrow("ALERT_FILE");
});
