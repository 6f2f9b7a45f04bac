/**
 * Alert deliverers of extension packages, which send notifications to further destinations.
 *
 * `AlertDeliveries` treats each deliverer as one more webhook, with the same retries and dead letters. A deliverer that
 * throws has failed and is retried. A deliverer that does not answer within {@link DELIVERY_TIMEOUT_MS} has failed too,
 * and delays only its own queue.
 */
import { type AlertDeliverer, type Delivered, isWebhookName } from "@bioxen/contracts";
import { messageOf } from "@bioxen/kernel";
import {
  ConfigError,
  createExtension,
  type Environment,
  type ExtensionPoint,
  missingMethods,
} from "@bioxen/service-host";
import type { Webhooks } from "../app/alert-deliveries.ts";
import { namedValues } from "./named-values.ts";

/** Deadline of one attempt, ms: the same as for webhooks. */
export const DELIVERY_TIMEOUT_MS = 5_000;

const DELIVERER: ExtensionPoint = {
  variable: "BIOXEN_ALERT_DELIVERERS",
  exported: "createAlertDeliverer",
  check: (value) => missingMethods(value, ["deliver"]),
};

/**
 * Loads the packages of `name=package,name=package`. `taken` has the names of the webhooks, which no package may use.
 * Throws `ConfigError` with every problem of the text, or with the first problem of a package.
 */
export async function loadDeliverers(
  text: string,
  env: Environment,
  taken: readonly string[],
): Promise<ReadonlyMap<string, AlertDeliverer>> {
  const packages = new Map<string, string>();
  const problems: string[] = [];
  for (const { part, name, value } of namedValues(text)) {
    if (!isWebhookName(name) || value === "") problems.push(`${part}: must be name=package`);
    else if (packages.has(name) || taken.includes(name)) problems.push(`${name}: is named twice`);
    else packages.set(name, value);
  }
  if (problems.length > 0) throw new ConfigError(problems.map((one) => `BIOXEN_ALERT_DELIVERERS: ${one}`));
  const deliverers = new Map<string, AlertDeliverer>();
  for (const [name, packageName] of packages) {
    deliverers.set(name, await createExtension(packageName, DELIVERER, { name, env }));
  }
  return deliverers;
}

/** Returns the webhooks with the deliverers added to them. */
export function withDeliverers(
  webhooks: Webhooks,
  deliverers: ReadonlyMap<string, AlertDeliverer>,
): Webhooks {
  if (deliverers.size === 0) return webhooks;
  return {
    names: [...webhooks.names, ...deliverers.keys()],
    post: (name, notification) => {
      const deliverer = deliverers.get(name);
      return deliverer === undefined
        ? webhooks.post(name, notification)
        : deliverSafely(deliverer, notification);
    },
  };
}

async function deliverSafely(
  deliverer: AlertDeliverer,
  notification: Parameters<AlertDeliverer["deliver"]>[0],
): Promise<Delivered> {
  const signal = AbortSignal.timeout(DELIVERY_TIMEOUT_MS);
  const failed = (reason: string): Delivered => ({ kind: "failed", reason, permanent: false });
  const late = new Promise<Delivered>((resolve) => {
    signal.addEventListener("abort", () => resolve(failed(`no answer in ${DELIVERY_TIMEOUT_MS} ms`)));
  });
  try {
    const delivered = await Promise.race([deliverer.deliver(structuredClone(notification), signal), late]);
    if (delivered?.kind === "taken") return { kind: "taken" };
    if (delivered?.kind !== "failed") return failed("the answer is neither `taken` nor `failed`");
    return { kind: "failed", reason: String(delivered.reason), permanent: delivered.permanent === true };
  } catch (thrown) {
    return failed(messageOf(thrown));
  }
}
