/**
 * Formats who decided an event: the service, the principal whose command it carried out, and the principal for which it
 * acted.
 */
import type { EventEnvelope } from "@bioxen/kernel";

type DecidedEvent = Pick<EventEnvelope, "source" | "principal" | "onbehalfof">;

/** Returns the name of the service that decided the event. */
export function decidedBy({ source }: DecidedEvent): string {
  return source.replace("/bioxen/", "");
}

/** The principal of every caller of an open stack, where all events have it. */
const ANONYMOUS = "anonymous";

/**
 * Returns the principal of the event, and the principal for which it acted: `alice`, or `service:lifecycle for alice`.
 * Empty for events of older releases, and on an open stack.
 */
export function principalsOf({ principal, onbehalfof }: DecidedEvent): string {
  if (principal === undefined || principal === ANONYMOUS) return "";
  return onbehalfof === undefined || onbehalfof === ANONYMOUS ? principal : `${principal} for ${onbehalfof}`;
}

/**
 * Returns the service that decided the event, with the principal whose command it carried out, or for whom it acted:
 * `lifecycle`, `lifecycle, by alice`, `lifecycle, for alice`.
 */
export function decidedFor(event: DecidedEvent): string {
  const service = decidedBy(event);
  const { principal, onbehalfof } = event;
  const isOwn = principal === undefined || principal === `service:${service}`;
  const by = isOwn || principal === ANONYMOUS ? "" : `, by ${principal}`;
  return `${service}${by}${onbehalfof === undefined || onbehalfof === ANONYMOUS ? "" : `, for ${onbehalfof}`}`;
}
