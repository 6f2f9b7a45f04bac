import { ConfigError, readConfig, runService } from "@bioxen/service-host";
import * as z from "zod";
import { loadDeliverers, withDeliverers } from "./src/adapters/deliverers.ts";
import { httpWebhooks, parseWebhooks } from "./src/adapters/webhooks.ts";
import { createMonitor } from "./src/app/service.ts";

const config = z.object({
  /** Webhooks that receive alerts in addition to NATS: `ops=https://host/path,chat=…`; default: none. */
  BIOXEN_ALERT_WEBHOOKS: z.string().default(""),
  /** Secret that signs each webhook body; default: bodies are not signed. */
  BIOXEN_ALERT_WEBHOOK_SECRET: z.string().optional(),
  /** Packages that deliver alerts elsewhere: `pager=@acme/bioxen-pager,…`; default: none. */
  BIOXEN_ALERT_DELIVERERS: z.string().default(""),
});

await runService({
  name: "monitor",
  description: "Measures the fleet: utilisation, health, history and alerts.",
  create: async (ports, env) => {
    const settings = readConfig(config, env);
    const urls = parseWebhooks(settings.BIOXEN_ALERT_WEBHOOKS);
    if ("problems" in urls) throw new ConfigError(urls.problems.map((p) => `BIOXEN_ALERT_WEBHOOKS: ${p}`));
    const webhooks = httpWebhooks({ urls, secret: settings.BIOXEN_ALERT_WEBHOOK_SECRET });
    const deliverers = await loadDeliverers(settings.BIOXEN_ALERT_DELIVERERS, env, webhooks.names);
    return createMonitor(ports, { webhooks: withDeliverers(webhooks, deliverers) });
  },
});
