/**
 * The messages that BioXen publishes without a request: events, telemetry, alerts, output of guests, stored guest states,
 * and what became of durable commands.
 */
import type * as z from "zod";
import { alertNotification } from "../alerts.ts";
import { EVENT_TYPES, envelopeSchema } from "../codec.ts";
import { courseBatch, courseSubject } from "../courses.ts";
import { EVENT_SUMMARIES, type EventTypeName } from "../events/summaries.ts";
import { feedSubjects } from "../feed.ts";
import {
  AGGREGATE_KINDS,
  type AggregateKind,
  alertSubject,
  blobSubject,
  chassisTelemetrySubject,
  deadLetterSubject,
  eventSubject,
  jobOutcomeSubject,
  schedulerEchoSubject,
  serviceTelemetrySubject,
  vmLogSubject,
  vmTelemetrySubject,
} from "../subjects.ts";
import { chassisSample, guestLine, serviceSample, vmSample } from "../telemetry.ts";
import type { DocumentParts } from "./document-parts.ts";
import { DEAD_LETTER_HEADERS, eventOf, JOB_OUTCOME } from "./fixed-schemas.ts";
import { pascalCase } from "./json-schemas.ts";

export function addPublishedMessages(parts: DocumentParts): void {
  for (const kind of AGGREGATE_KINDS) addEvents(kind, parts);
  addSamples(parts);
  addFeed(parts);
  addJobResults(parts);
  addInternals(parts);
}

/** Returns `VmCreatedV1` for the type `bioxen.vm.created.v1`. */
export function eventName(type: string): string {
  return pascalCase(type.replace(/^bioxen\./, ""));
}

function addEvents(kind: AggregateKind, parts: DocumentParts): void {
  const types = Object.entries(EVENT_TYPES).filter(([type]) => type.startsWith(`bioxen.${kind}.`));
  const envelope = parts.schemas.of(envelopeSchema, "read", "Event");
  for (const [type, schema] of types) {
    const name = eventName(type);
    parts.addMessage(name, {
      title: `Event: ${type}`,
      summary: EVENT_SUMMARIES[type as EventTypeName],
      contentType: "application/cloudevents+json",
      correlationId: { $ref: "#/components/correlationIds/event" },
      payload: eventOf(envelope, type, name, parts.schemas.of(schema, "read", `${name}Data`)),
    });
  }
  parts.addPublished(`${kind}Events`, {
    address: eventSubject(kind, "{id}"),
    parameters: ["id"],
    summary: `The events of a ${kind}, in order and each once, from the event stream.`,
    messages: types.map(([type]) => eventName(type)),
  });
}

interface Sample {
  readonly name: string;
  readonly address: string;
  readonly parameters: readonly string[];
  readonly schema: z.ZodType;
  readonly title: string;
  readonly summary: string;
}

const SAMPLES: readonly Sample[] = [
  {
    name: "VmSample",
    address: vmTelemetrySubject("{vmId}"),
    parameters: ["vmId"],
    schema: vmSample,
    title: "Telemetry of a VM",
    summary: "A sample of a VM every second, at most once.",
  },
  {
    name: "ChassisSample",
    address: chassisTelemetrySubject("{chassisId}"),
    parameters: ["chassisId"],
    schema: chassisSample,
    title: "Heartbeat of a chassis",
    summary: "The heartbeat of the agent that runs the chassis, at most once.",
  },
  {
    name: "ServiceSample",
    address: serviceTelemetrySubject("{service}"),
    parameters: ["service"],
    schema: serviceSample,
    title: "Status of a service",
    summary: "The vital signs of each instance of a service, at most once.",
  },
  {
    name: "GuestLine",
    address: vmLogSubject("{vmId}"),
    parameters: ["vmId"],
    schema: guestLine,
    title: "Output of a guest",
    summary: "A line that the guest printed, or that its agent says about it; at most once.",
  },
  {
    name: "AlertNotification",
    address: alertSubject("{severity}", "{ruleId}"),
    parameters: ["severity", "ruleId"],
    schema: alertNotification,
    title: "Alert",
    summary: "The notification of a raised or cleared alert. The event is the record.",
  },
];

function addSamples(parts: DocumentParts): void {
  for (const { name, address, parameters, schema, title, summary } of SAMPLES) {
    parts.addMessage(name, { title, summary, payload: parts.schemas.of(schema, "read", name) });
    const channel = name.slice(0, 1).toLowerCase() + name.slice(1);
    parts.addPublished(channel, { address, parameters, summary, messages: [name] });
  }
}

/** The messages of VMs under the names of their owners. */
function addFeed(parts: DocumentParts): void {
  const { events, telemetry, log } = feedSubjects("{owner}", "{vmId}");
  const parameters = ["owner", "vmId"];
  const types = Object.keys(EVENT_TYPES).filter((type) => type.startsWith("bioxen.vm."));
  parts.addPublished("feedEvents", {
    address: events,
    parameters,
    summary:
      "The events of a VM in the feed of its owner, in order and each once, from the stream of the feed.",
    messages: types.map(eventName),
  });
  parts.addPublished("feedTelemetry", {
    address: telemetry,
    parameters,
    summary: "The telemetry of a VM in the feed of its owner, at most once.",
    messages: ["VmSample"],
  });
  parts.addPublished("feedLines", {
    address: log,
    parameters,
    summary: "The output of a guest in the feed of the owner of its VM, at most once.",
    messages: ["GuestLine"],
  });
}

function addJobResults(parts: DocumentParts): void {
  parts.addMessage("JobOutcome", {
    title: "Outcome of a durable command",
    summary: "The reply of a durable command, kept for 24 h.",
    payload: JOB_OUTCOME,
  });
  parts.addPublished("jobOutcome", {
    address: jobOutcomeSubject("{jobId}"),
    parameters: ["jobId"],
    summary: "What became of a durable command; the last message of the subject is its outcome.",
    messages: ["JobOutcome"],
  });
  parts.addMessage("DeadLetter", {
    title: "Dead letter",
    summary:
      "A durable command that could not be carried out: its payload as it was published, and the reason.",
    contentType: "application/octet-stream",
    headers: DEAD_LETTER_HEADERS,
    payload: { title: "DeadLetter", type: "string", format: "binary" },
  });
  parts.addPublished("deadLetter", {
    address: deadLetterSubject("{jobId}"),
    parameters: ["jobId"],
    summary: "The durable commands that could not be carried out, kept for 30 days.",
    messages: ["DeadLetter"],
  });
}

function addInternals(parts: DocumentParts): void {
  parts.addMessage("GuestState", {
    title: "Stored state of a guest",
    summary: "The bytes of a checkpoint or snapshot. The event has their SHA-256.",
    contentType: "application/octet-stream",
    payload: { title: "GuestState", type: "string", format: "binary" },
  });
  parts.addPublished("guestState", {
    address: blobSubject("{vmId}.{checkpointId}" as never),
    parameters: ["vmId", "checkpointId"],
    summary: "The stored states of guests. The form of the bytes belongs to the driver.",
    messages: ["GuestState"],
    internal: true,
  });
  parts.addPublished("agentGuestState", {
    address: blobSubject("{vmId}.{agentId}.{checkpointId}" as never),
    parameters: ["vmId", "agentId", "checkpointId"],
    summary: "The guest states that an agent stores; only that agent may write them.",
    messages: ["GuestState"],
    internal: true,
  });
  parts.addMessage("CourseBatch", {
    title: "Batch of a time course",
    summary:
      "Rows that an agent has recorded of one guest. The first value of a row is its simulated minute.",
    payload: parts.schemas.of(courseBatch, "sent", "CourseBatch"),
  });
  parts.addPublished("courseBatch", {
    address: courseSubject({
      agentId: "{agentId}",
      vmId: "{vmId}",
      incarnation: "{incarnation}",
      branch: "{branch}",
      run: "{run}",
      firstMinute: "{firstMinute}",
    } as never),
    parameters: ["agentId", "vmId", "incarnation", "branch", "run", "firstMinute"],
    summary: "The recorded rows of cells; only the agent of the subject may write them.",
    messages: ["CourseBatch"],
    internal: true,
  });
  parts.addMessage("SchedulerEcho", {
    title: "Echo of a scheduler",
    summary: "A message of a scheduler instance to itself, with which it checks that its subscriptions work.",
    payload: { title: "SchedulerEcho", type: "object", properties: {} },
  });
  parts.addPublished("schedulerEcho", {
    address: schedulerEchoSubject("{instanceId}"),
    parameters: ["instanceId"],
    summary: "A scheduler instance checks once a second that its subscriptions work.",
    messages: ["SchedulerEcho"],
    internal: true,
  });
}
