import { ConfigError, readConfig, runService } from "@bioxen/service-host";
import { z } from "zod";
import { httpWebhooks, parseWebhooks } from "./src/adapters/webhooks.ts";
import { createMonitor } from "./src/app/service.ts";

const config = z.object({
  /** Who is told of alerts beside NATS: `ops=https://host/path,chat=…`. */
  BIOXEN_ALERT_WEBHOOKS: z.string().default(""),
  /** Signs what is posted to them. */
  BIOXEN_ALERT_WEBHOOK_SECRET: z.string().optional(),
});

await runService({
  name: "monitor",
  description: "Measurements, health and alerts of everything.",
  create: (ports, env) => {
    const { BIOXEN_ALERT_WEBHOOKS, BIOXEN_ALERT_WEBHOOK_SECRET: secret } = readConfig(config, env);
    const urls = parseWebhooks(BIOXEN_ALERT_WEBHOOKS);
    if ("problems" in urls) throw new ConfigError(urls.problems.map((p) => `BIOXEN_ALERT_WEBHOOKS: ${p}`));
    return createMonitor(ports, { webhooks: httpWebhooks({ urls, secret }) });
  },
});
