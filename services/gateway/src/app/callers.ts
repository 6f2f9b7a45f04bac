/**
 * Who sends a request over HTTP. On an open stack every caller is anonymous, as on NATS.
 */
import { ANONYMOUS, type Identity } from "@bioxen/contracts";

/** The headers that say who sends a request, and from where. */
export interface CallerHeaders {
  readonly method: string;
  readonly authorization: string | undefined;
}

/** Returns the caller of a request. Throws `HttpError` for a request that the gateway does not let in. */
export type KnowCaller = (headers: CallerHeaders) => Identity;

export const everyoneAnonymous: KnowCaller = () => ANONYMOUS;
