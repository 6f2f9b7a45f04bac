/**
 * The schemas of an endpoint in its metadata, which every service shows in its answer to `$SRV.INFO`.
 *
 * They are those of docs/asyncapi.json without titles. A request is complete. A result refers to the named schemas of
 * that document by its id, because one answer has the metadata of all endpoints: the view of a VM alone would be in it
 * eighteen times.
 */
import type { Endpoint } from "../endpoints/endpoint.ts";
import { JsonSchemas } from "./json-schemas.ts";
import { PROTOCOL_ID } from "./protocol-id.ts";

export interface EndpointSchemas {
  /** JSON Schema of the request, as JSON text. */
  readonly request: string;
  /** JSON Schema of the fields of a successful reply in addition to `ok`, as JSON text. */
  readonly result: string;
}

export function endpointSchemas({ request, result }: Pick<Endpoint, "request" | "result">): EndpointSchemas {
  const own = new JsonSchemas("#/definitions/");
  const requestSchema = own.of(request, "sent");
  const hasDefinitions = Object.keys(own.named).length > 0;
  const complete = hasDefinitions ? { ...requestSchema, definitions: own.named } : requestSchema;
  const resultSchema = new JsonSchemas(`${PROTOCOL_ID}#/components/schemas/`).of(result, "read");
  return { request: JSON.stringify(complete), result: JSON.stringify(resultSchema) };
}
