/**
 * The endpoint by which an agent reports what a pool keeps although the agent was to remove it.
 */
import * as z from "zod";
import { leftObject } from "../events/chassis.ts";
import { id } from "../schemas.ts";
import { chassisView } from "../views.ts";
import { endpoint } from "./endpoint.ts";

/** Longest reason of a report, characters: XAPI's message with its parameters. */
const MAX_REASON_LENGTH = 4_096;
const uuid = z.string().min(1).max(64);

export const LEFT_OBJECT_ENDPOINTS = {
  chassisReportLeft: endpoint(
    "bioxen.cmd.chassis.report-left",
    "chassis-scheduler",
    "From an agent: the pool keeps an object that the agent was to remove, or, with `left` null, the object is gone.",
    z.strictObject({
      chassisId: id,
      uuid,
      left: z
        .strictObject({
          ...leftObject.omit({ uuid: true }).shape,
          vmId: z.string().min(1).max(64),
          reason: z.string().max(MAX_REASON_LENGTH),
        })
        .nullable(),
    }),
    z.object({ changed: z.boolean(), chassis: chassisView }),
    true,
  ),
} as const;
