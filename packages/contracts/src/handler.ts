/**
 * How a service answers an endpoint of the catalogue, whatever carries the request.
 */
import type { Causation, Rejection } from "@bioxen/kernel";
import type { z } from "zod";
import type { Endpoint } from "./endpoint.ts";

export type HandlerResult =
  | { readonly ok: true; readonly result: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly rejection: Rejection };

/** Refuses by value; what it throws is a fault of the world (`Fault`) or a bug. */
export type Handler<Request, Result = Readonly<Record<string, unknown>>> = (
  request: Request,
  causation: Causation,
) => Promise<Handled<Result>> | Handled<Result>;

export type Handled<Result> =
  | { readonly ok: true; readonly result: Result }
  | { readonly ok: false; readonly rejection: Rejection };

export interface ServedEndpoint {
  readonly endpoint: Endpoint;
  readonly handle: (request: never, causation: Causation) => Promise<HandlerResult> | HandlerResult;
}

/** Pairs an endpoint with its handler, request and result checked. */
export function serve<E extends Endpoint>(
  endpoint: E,
  handle: Handler<z.output<E["request"]>, z.output<E["result"]>>,
): ServedEndpoint {
  return { endpoint, handle: handle as ServedEndpoint["handle"] };
}

export function done<Result>(result: Result): { readonly ok: true; readonly result: Result } {
  return { ok: true, result };
}
