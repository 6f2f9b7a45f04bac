/**
 * Generates docs/PROTOCOL.md and docs/errors.md from the catalogues. A test compares the files with the output.
 */
import * as z from "zod";
import { ALERT_METRICS, alertNotification } from "./alerts.ts";
import { CHASSIS_DEFAULTS } from "./chassis-types.ts";
import { COURSE_STREAM, MAX_BATCH_ROWS } from "./courses.ts";
import { DEFAULT_ALERT_RULES } from "./default-alert-rules.ts";
import { ENDPOINTS } from "./endpoints/catalogue.ts";
import type { Endpoint } from "./endpoints/endpoint.ts";
import { agentExec } from "./endpoints/internal.ts";
import { NOTICE } from "./errors-document.ts";
import { ALERT_EVENTS } from "./events/alert.ts";
import { CHASSIS_EVENTS } from "./events/chassis.ts";
import { DRAIN_EVENTS } from "./events/drain.ts";
import { EXPERIMENT_EVENTS } from "./events/experiment.ts";
import { LEDGER_EVENTS } from "./events/ledger.ts";
import { LOG_EVENTS } from "./events/log.ts";
import { QUOTA_EVENTS } from "./events/quota.ts";
import { EVENT_SUMMARIES, type EventTypeName } from "./events/summaries.ts";
import { SUPERSEDED_VM_EVENTS, VM_EVENTS } from "./events/vm.ts";
import { FEED_SECTION } from "./feed-document.ts";
import { MAX_JOB_ID_LENGTH } from "./job-id.ts";
import { JOB_AGGREGATES, MAX_JOB_ATTEMPTS } from "./jobs.ts";
import { JsonSchemas } from "./protocol/json-schemas.ts";
import { PROTOCOL_ID } from "./protocol/protocol-id.ts";
import type { Direction } from "./protocol/publishing.ts";
import { MAX_HEADER_BYTES, MAX_HEADERS, MAX_HEADERS_BYTES, MAX_NESTING } from "./request-limits.ts";
import { DEFAULT_OVERHEAD_PERMILLE, FULL_DEMAND, REFERENCE_DOUBLING_MINUTES } from "./resources.ts";
import { MAX_PAYLOAD_BYTES } from "./schemas.ts";
import {
  DEAD_LETTER_STREAM,
  EVENT_STREAM,
  EVENT_STREAM_CONFIG,
  GUEST_STATE_STREAM,
  JOB_OUTCOME_STREAM,
  JOB_STREAM,
  MAX_STORED_JOB_BYTES,
} from "./subjects.ts";
import { chassisSample, guestLine, SAMPLE_INTERVAL_MS, serviceSample, vmSample } from "./telemetry.ts";

/** Longest line of a printed schema, in characters. */
const LINE_WIDTH = 120;

/** Where docs/asyncapi.json has the named schemas. */
const SCHEMAS = "#/components/schemas/";

/** Returns the schema as docs/asyncapi.json has it, without titles. */
function schemaBlock(schema: z.ZodType, direction: Direction = "read"): string {
  return jsonBlock(new JsonSchemas(SCHEMAS).of(schema, direction));
}

function jsonBlock(json: unknown): string {
  return `\`\`\`json\n${printed(json)}\n\`\`\``;
}

/** Returns JSON text that has each short value on one line, so that a printed schema reads like a table. */
function printed(value: unknown, indent = ""): string {
  const flat = JSON.stringify(value);
  if (flat.length + indent.length <= LINE_WIDTH || typeof value !== "object" || value === null) return flat;
  const deeper = `${indent}  `;
  if (Array.isArray(value)) {
    return `[\n${value.map((one) => deeper + printed(one, deeper)).join(",\n")}\n${indent}]`;
  }
  const lines = Object.entries(value).map(([k, v]) => `${deeper}${JSON.stringify(k)}: ${printed(v, deeper)}`);
  return `{\n${lines.join(",\n")}\n${indent}}`;
}

function endpointSection({ subject, owner, summary, request, result }: Endpoint): string {
  return [
    `### \`${subject}\``,
    `${summary} Served by **${owner}**.`,
    `<details><summary>request</summary>\n\n${schemaBlock(request, "sent")}\n\n</details>`,
    `<details><summary>reply in addition to \`ok\`</summary>\n\n${schemaBlock(result)}\n\n</details>`,
  ].join("\n\n");
}

function eventRows(events: Readonly<Record<string, z.ZodType>>): string {
  const rows = Object.entries(events).map(([type, schema]) => {
    const { properties = {} } = z.toJSONSchema(schema, { unrepresentable: "any" });
    const fields = Object.keys(properties).map((name) => `\`${name}\``);
    return `| \`${type}\` | ${EVENT_SUMMARIES[type as EventTypeName]} | ${fields.join(", ") || "–"} |`;
  });
  return ["| type | meaning | data |", "|---|---|---|", ...rows].join("\n");
}

function resourceRows(
  rows: Readonly<Record<string, Readonly<Record<string, number>>>>,
  last: string,
): string {
  const names = ["ribosomes", "rnaPolymerases", "atpPerSecond", "dnaKilobases", last];
  return [
    `| type | ${names.join(" | ")} |`,
    `|${"---|".repeat(names.length + 1)}`,
    ...Object.entries(rows).map(
      ([type, row]) => `| \`${type}\` | ${names.map((name) => row[name]).join(" | ")} |`,
    ),
  ].join("\n");
}

function resources(): string {
  const demand = Object.fromEntries(
    Object.entries(FULL_DEMAND).map(([type, amounts]) => [
      type,
      { ...amounts, "doubling time, min": REFERENCE_DOUBLING_MINUTES[type as keyof typeof FULL_DEMAND] },
    ]),
  );
  const chassis = Object.fromEntries(
    Object.entries(CHASSIS_DEFAULTS).map(([type, { capacity, maxVms }]) => [type, { ...capacity, maxVms }]),
  );
  return `## Resources

Amounts are integers; an absent name is 0. In a request each name takes an integer, or \`"NN%"\` of the type's full demand, rounded up.

Full demand is what a cell needs to grow at the reference rate of its type. It is the default request of a VM.

${resourceRows(demand, "doubling time, min")}

Default capacity of a chassis, before the hypervisor's overhead of ${DEFAULT_OVERHEAD_PERMILLE} permille:

${resourceRows(chassis, "maxVms")}`;
}

function jobs(): string {
  const kinds = JOB_AGGREGATES.map((aggregate) => `\`bioxen.job.${aggregate}.<verb>\``).join(" and ");
  return `## Durable commands

Durable commands are for services that do not wait for the reply. Publish the payload of \`bioxen.cmd.<aggregate>.<verb>\` to
\`bioxen.job.<aggregate>.<verb>\` with a \`Nats-Msg-Id\`. The job is stored in the work-queue stream \`${JOB_STREAM}\`; after the
acknowledgement of JetStream it is on disk. It is carried out once its owner is available (${kinds}), in the order
of its VM or chassis. However often it is published or delivered, it is carried out once: its message id is that of the command.

The outcome is the same JSON as the reply of the command. It is stored under \`bioxen.job-outcome.<Nats-Msg-Id>\` in stream
\`${JOB_OUTCOME_STREAM}\` for 24 h. A refusal is an outcome. A \`retryable\` refusal is retried: ${MAX_JOB_ATTEMPTS} attempts in about half a minute.
A job that cannot be carried out (${["BAD_REQUEST", "TOO_LARGE", "INTERNAL"].map((code) => `\`${code}\``).join(", ")}), or that is refused in every attempt, becomes a dead letter. Its outcome
is the error. The payload and its headers are kept under \`bioxen.job-dead.<id>\` in stream \`${DEAD_LETTER_STREAM}\`, with the reason in
the header \`Bioxen-Job-Error\`. \`bioxen jobs ls --failed\` lists dead letters, \`jobs retry ID\` submits one again under its id, and
\`jobs drop ID\` deletes it.

An id has at most ${MAX_JOB_ID_LENGTH} printable ASCII characters without spaces, \`*\` and \`>\`. It may contain dots, but no empty part between
them, must not begin with \`_\`, and is unique among all jobs. A job without a valid id, or with an id whose outcome belongs to another
subject, becomes a dead letter under the id \`_seq-<its sequence>\`, and its outcome has that id as well. JetStream rejects jobs of more
than ${MAX_STORED_JOB_BYTES} bytes.`;
}

function alerts(): string {
  const metrics = Object.entries(ALERT_METRICS).map(
    ([name, { of, unit, meaning }]) => `| \`${name}\` | ${of} | ${unit} | ${meaning} |`,
  );
  const rules = Object.entries(DEFAULT_ALERT_RULES).map(([ruleId, rule]) => {
    const { metric, above, below, forMs, clearMarginPermille, severity } = rule;
    const condition = above === null ? `below ${below}` : `above ${above}`;
    return `| \`${ruleId}\` | \`${metric}\` ${condition} | ${forMs} | ${clearMarginPermille} | ${severity} |`;
  });
  return `## Alerts

A rule watches one metric of every target in its scope. An alert is raised once per target when the value is beyond the threshold for
\`forMs\` without a break. It is cleared once, when the value has come back past the threshold by \`clearMarginPermille\` of the threshold.
While the value of a target is unknown, because its agent is silent or it is paused, its alert is neither raised nor cleared. The alert
of a target that no longer exists is cleared.

| metric | of each | unit | meaning |
|---|---|---|---|
${metrics.join("\n")}

Default rules, which apply until they are replaced or removed:

| rule | condition | \`forMs\` | \`clearMarginPermille\` | severity |
|---|---|---|---|---|
${rules.join("\n")}

### \`bioxen.alert.<severity>.<ruleId>\`: AlertNotification

The notification is published on core NATS and posted to every webhook after the event that raised or cleared the alert was stored.
Delivery is at least once, always with the same \`notificationId\`. The event is the record.

${schemaBlock(alertNotification)}`;
}

/** Returns a document section for each named schema that the replies of the endpoints refer to. */
function namedSchemas(endpoints: readonly Endpoint[]): string {
  const schemas = new JsonSchemas(SCHEMAS);
  for (const { result } of endpoints) schemas.of(result, "read");
  return Object.entries(schemas.named)
    .map(([name, schema]) => `### ${name}\n\n${jsonBlock(schema)}`)
    .join("\n\n");
}

function events(): string {
  const written = [
    VM_EVENTS,
    LEDGER_EVENTS,
    CHASSIS_EVENTS,
    DRAIN_EVENTS,
    QUOTA_EVENTS,
    ALERT_EVENTS,
    LOG_EVENTS,
    EXPERIMENT_EVENTS,
  ];
  return `## Events

Events are in the stream \`${EVENT_STREAM}\` (${EVENT_STREAM_CONFIG.storage} storage, no limit of age or size, delete and purge denied). The subject is
\`bioxen.evt.<aggregate>.<id>\`; each message is one CloudEvents 1.0 JSON event.

Attributes: \`specversion\`, \`id\`, \`source\`, \`type\`, \`subject\` (\`vm/c1\`), \`time\`, \`datacontenttype\`, \`data\`. Extensions:

- \`aggregateversion\`: 1, 2, 3 … per aggregate;
- \`correlationid\`: the id of the command that started the chain;
- \`causationid\`: the id of the command or event that directly caused this one;
- \`principal\`: the caller whose command decided the event, as the server knows it: a principal such as \`alice\`, \`agent:<id>\`,
  \`anonymous\` on an open stack, or \`service:<name>\` for what a service decided by itself. No client can set it. Absent in older events;
- \`onbehalfof\`: the principal whose command began the chain that led to the decision of a service or an agent, if one did;
- \`via\`: \`gateway\` when the command came over HTTP, as the server knows it. Only on a server with keys; no client can set it;
- \`traceparent\`: the W3C trace context;
- \`previoushash\`: SHA-256 of the stored bytes of the aggregate's previous event. \`bioxen events verify\` checks this chain,
  \`events seal\` prints one digest of the whole log;
- \`payloaddigest\`: SHA-256 of the payload of the command that caused this event, base64url, of its JSON with sorted fields and without
  spaces. Only commands with a \`Nats-Msg-Id\` leave it. The same id with another payload is \`CONFLICT\`.

There is no \`dataschema\`: the type, with its version, names the schema of \`data\` in [asyncapi.json](asyncapi.json), and an event is kept for ever.

${written.map(eventRows).join("\n\n")}

Only the newest version of a type is written. Older logs also contain the types below. They stay readable for ever, and every reader
(services, the client, \`events\`, \`history\`) gets them as the version that followed. Their stored bytes and digests do not change.

${eventRows(SUPERSEDED_VM_EVENTS)}`;
}

function telemetry(): string {
  return `## Telemetry

Samples are published on core NATS every ${SAMPLE_INTERVAL_MS} ms; delivery is at most once.

### \`bioxen.tel.vm.<vmId>\`: VmSample

${schemaBlock(vmSample)}

### \`bioxen.tel.chassis.<chassisId>\`: ChassisSample

The heartbeat of the agent that runs the chassis.

${schemaBlock(chassisSample)}

### \`bioxen.tel.service.<service>\`: ServiceSample

The vital signs of each instance of a service, and its heartbeat.

${schemaBlock(serviceSample)}

### \`bioxen.log.vm.<vmId>\`: GuestLine

A line that the guest printed, or that its agent says about it.

${schemaBlock(guestLine)}

${FEED_SECTION}`;
}

/** The content of docs/PROTOCOL.md. */
export function protocolDocument(): string {
  const all: Endpoint[] = [...Object.values(ENDPOINTS), agentExec("AGENT")];
  const section = (internal: boolean) =>
    all
      .filter((endpoint) => endpoint.internal === internal)
      .map(endpointSection)
      .join("\n\n");
  return `${NOTICE}

# Protocol

The protocol is JSON over NATS. A reply is \`{"ok": true, …}\` or \`{"ok": false, "error": {code, message, retryable, details?}}\`
([errors](errors.md)), and has the error headers of the services protocol. A payload has at most ${MAX_PAYLOAD_BYTES} bytes. Every
service answers \`$SRV.PING\`, \`$SRV.INFO\` and \`$SRV.STATS\`. The metadata of an endpoint in \`$SRV.INFO\` has these schemas as JSON text:
\`request\` is complete, \`result\` refers to views as \`${PROTOCOL_ID}#/components/schemas/<name>\`. [asyncapi.json](asyncapi.json) has that id.

The schemas are JSON Schema draft 7. A request is closed: an unknown field is refused. Replies, events, telemetry and alerts are open: a
later release may add fields, which a reader ignores.

The header \`Nats-Msg-Id\` makes a command idempotent: within 2 minutes, the same id on the same subject gets the outcome of the first
command. The same id with another payload is \`CONFLICT\`; spaces and the order of fields make no other payload. The header
\`traceparent\` (W3C trace context) is continued in every event that follows; a value that does not follow the W3C grammar is ignored.

\`Nats-Msg-Id\`, \`Bioxen-Correlation-Id\`, \`Bioxen-Causation-Id\` and \`traceparent\` have at most ${MAX_HEADER_BYTES} bytes of printable ASCII. A
request has at most ${MAX_HEADERS} headers of ${MAX_HEADERS_BYTES} bytes together, and JSON of at most ${MAX_NESTING} nested levels. Anything else is \`BAD_REQUEST\`.

A service that is full answers \`UNAVAILABLE\`. A caller with more than its share while others wait, or more than a ceiling that an operator
set, gets \`RATE_LIMITED\`. Both are retryable and have \`details.retryAfterMs\`. A caller is the prefix of its reply subjects: all but the last token.

A reply subject is an inbox. A request that names a subject of this document, one that begins with \`$\`, or a subject that a stream
stores is dropped: it is not carried out and gets no answer.

${resources()}

## Commands and queries

${section(false)}

${jobs()}

${events()}

${telemetry()}

${alerts()}

## Views

Schemas refer to these views as \`#/components/schemas/<name>\`.

${namedSchemas(all)}

## Between the services

These endpoints are used between BioXen's own services and may change with the version.

${section(true)}

### \`bioxen.blob.<vmId>.<checkpointId>\`

The stored states of guests, in the stream \`${GUEST_STATE_STREAM}\`. The form of the bytes belongs to the driver; the event has their SHA-256. The
id of a state that an agent stores is \`<agentId>.<id>\`, and on a server with keys only that agent may write it.

### \`bioxen.course.<agentId>.<vmId>.<incarnation>.<branch>.<run>.<firstMinute>\`

Rows of a time course, at most ${MAX_BATCH_ROWS}, in the stream \`${COURSE_STREAM}\`. \`bioxen.qry.course.get\` joins them to a course. On a server
with keys only the agent of the subject may write it.

### \`bioxen.tel.scheduler.<instance>\`

An instance of the scheduler sends itself \`{}\` once a second, to check that its subscriptions work.
`;
}
