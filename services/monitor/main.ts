import { ConfigError, readConfig, runService } from "@bioxen/service-host";
import { z } from "zod";
import { loadDeliverers, withDeliverers } from "./src/adapters/deliverers.ts";
import { httpWebhooks, parseWebhooks } from "./src/adapters/webhooks.ts";
import { createMonitor } from "./src/app/service.ts";

const config = z.object({
  /** Who is told of alerts beside NATS: `ops=https://host/path,chat=…`. */
  BIOXEN_ALERT_WEBHOOKS: z.string().default(""),
  /** Signs what is posted to them. */
  BIOXEN_ALERT_WEBHOOK_SECRET: z.string().optional(),
  /** Packages that take alerts elsewhere: `pager=@acme/bioxen-pager,…`. */
  BIOXEN_ALERT_DELIVERERS: z.string().default(""),
});

await runService({
  name: "monitor",
  description: "Measurements, health and alerts of everything.",
  create: async (ports, env) => {
    const settings = readConfig(config, env);
    const urls = parseWebhooks(settings.BIOXEN_ALERT_WEBHOOKS);
    if ("problems" in urls) throw new ConfigError(urls.problems.map((p) => `BIOXEN_ALERT_WEBHOOKS: ${p}`));
    const webhooks = httpWebhooks({ urls, secret: settings.BIOXEN_ALERT_WEBHOOK_SECRET });
    const deliverers = await loadDeliverers(settings.BIOXEN_ALERT_DELIVERERS, env, webhooks.names);
    return createMonitor(ports, { webhooks: withDeliverers(webhooks, deliverers) });
  },
});
