/**
 * The schema of events that commands print.
 */
import * as z from "zod";

/** A stored event: a CloudEvent 1.0 with the extensions of docs/PROTOCOL.md. */
export const storedEvent = z.object({
  seq: z.int(),
  specversion: z.literal("1.0"),
  id: z.string(),
  source: z.string(),
  type: z.string(),
  subject: z.string(),
  time: z.string(),
  datacontenttype: z.literal("application/json"),
  data: z.record(z.string(), z.unknown()),
  aggregateversion: z.int(),
  correlationid: z.string(),
  causationid: z.string(),
  principal: z.string().optional(),
  onbehalfof: z.string().optional(),
  via: z.string().optional(),
  traceparent: z.string().optional(),
  tracestate: z.string().optional(),
  previoushash: z.string().optional(),
  payloaddigest: z.string().optional(),
});
