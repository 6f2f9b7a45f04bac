/**
 * Webhooks: each notification is one HTTP POST of JSON, with one attempt per call and a deadline.
 *
 * The result is `taken` for 2xx. It is retryable for 408, 429, 5xx, a timeout and a failed connection, and permanent
 * for any other status. With a secret every body is signed, so that the receiver can verify the sender.
 */
import { createHmac } from "node:crypto";
import { type AlertNotification, type Delivered, isWebhookName } from "@bioxen/contracts";
import { messageOf } from "@bioxen/kernel";
import type { Webhooks } from "../app/alert-deliveries.ts";
import { namedValues } from "./named-values.ts";

/**
 * Deadline of one attempt, ms. Receivers should store the notification and answer; a slow one delays only its own
 * queue.
 */
const POST_TIMEOUT_MS = 5_000;
/** Maximum number of webhooks in the configuration: every notification is posted to each of them. */
const MAX_WEBHOOKS = 16;
/** Name of the HTTP header with the hexadecimal HMAC-SHA-256 of the body under the shared secret. */
const SIGNATURE_HEADER = "bioxen-signature";
const NOTIFICATION_HEADER = "bioxen-notification-id";

export interface WebhookTargets {
  readonly urls: ReadonlyMap<string, string>;
  readonly secret?: string | undefined;
}

/**
 * Parses `name=URL,name=URL`, and returns the URLs by name, or every problem. A comma in a URL must be written `%2C`.
 */
export function parseWebhooks(text: string): ReadonlyMap<string, string> | { readonly problems: string[] } {
  const urls = new Map<string, string>();
  const problems: string[] = [];
  for (const { part, name, value: url } of namedValues(text)) {
    if (!isWebhookName(name)) problems.push(`${part}: must be name=URL, with a name of a-z, 0-9 and '-'`);
    else if (urls.has(name)) problems.push(`${name}: is named twice`);
    else if (!/^https?:$/.test(URL.parse(url)?.protocol ?? ""))
      problems.push(`${name}: must have an http or https URL`);
    else urls.set(name, url);
  }
  if (urls.size > MAX_WEBHOOKS)
    problems.push(`${urls.size} webhooks are configured: at most ${MAX_WEBHOOKS} are allowed`);
  return problems.length > 0 ? { problems } : urls;
}

export function httpWebhooks({ urls, secret }: WebhookTargets): Webhooks {
  return {
    names: [...urls.keys()],
    post: (webhook, notification) => {
      const url = urls.get(webhook);
      return url === undefined
        ? Promise.resolve({ kind: "failed", reason: `no webhook is named ${webhook}`, permanent: true })
        : post(url, secret, notification);
    },
  };
}

async function post(
  url: string,
  secret: string | undefined,
  notification: AlertNotification,
): Promise<Delivered> {
  const body = JSON.stringify(notification);
  const signature =
    secret === undefined
      ? {}
      : { [SIGNATURE_HEADER]: createHmac("sha256", secret).update(body).digest("hex") };
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        [NOTIFICATION_HEADER]: notification.notificationId,
        ...signature,
      },
      body,
      redirect: "error",
      signal: AbortSignal.timeout(POST_TIMEOUT_MS),
    });
    await response.body?.cancel();
    if (response.ok) return { kind: "taken" };
    const permanent = response.status < 500 && response.status !== 408 && response.status !== 429;
    return { kind: "failed", reason: `HTTP ${response.status}`, permanent };
  } catch (thrown) {
    const cause = thrown instanceof Error && thrown.cause instanceof Error ? `: ${thrown.cause.message}` : "";
    return { kind: "failed", reason: `${messageOf(thrown)}${cause}`, permanent: false };
  }
}
