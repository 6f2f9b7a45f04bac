/**
 * Concrete subjects of every kind that the catalogue, the services and JetStream have, for tests of permissions.
 */
import {
  AGGREGATE_KINDS,
  agentEndpoints,
  ENDPOINTS,
  eventSubject,
  JOB_AGGREGATES,
  SERVICE_NAMES,
} from "@bioxen/contracts";
import { STREAM_NAMES } from "@bioxen/nats";
import { AGENTS, PRINCIPALS } from "./keyed-server.ts";

const endpoints = Object.values(ENDPOINTS).map(({ subject }) => subject);
const ofAgents = AGENTS.flatMap((id) => agentEndpoints(id).map(({ endpoint }) => endpoint.subject));
const jobs = [...endpoints.filter((subject) => subject.startsWith("bioxen.cmd.")), "bioxen.cmd.vm.fly"].map(
  (subject) => subject.replace("bioxen.cmd.", "bioxen.job."),
);
const mapped = [...endpoints, ...jobs].flatMap((subject) => {
  const rest = subject.slice("bioxen.".length);
  return [
    ...[`bioxen.as.admin.admin.${rest}`, `bioxen.as.tenant.bob.${rest}`, `bioxen.from.far.${rest}`],
    ...PRINCIPALS.map(({ name, role }) => `bioxen.as.gateway-${role}.${name}.${rest}`),
  ];
});
const telemetry = [
  "bioxen.tel.vm.cell",
  "bioxen.tel.chassis.ecoli-1",
  "bioxen.log.vm.cell",
  "bioxen.alert.info.rule",
  "bioxen.tel.scheduler.one",
  "bioxen.from.far.tel.vm.cell",
  "bioxen.from.far.tel.chassis.ecoli-1",
  "bioxen.from.far.tel.service.chassis-agent",
  "bioxen.from.far.log.vm.cell",
  ...["alice", "bob"].flatMap((name) =>
    ["vm", "tel", "log"].map((part) => `bioxen.feed.${name}.${part}.${name}-1`),
  ),
  "bioxen.as.tenant.bob.feed-info",
  "bioxen.as.gateway-tenant.bob.feed-info",
  ...["tenant", "gateway-tenant"].map((role) => `bioxen.as.${role}.bob.stored-job.vm.create`),
  ...SERVICE_NAMES.map((service) => `bioxen.tel.service.${service}`),
];
const LEASES = [
  "lifecycle",
  "allocator",
  "chassis-scheduler",
  "monitor",
  "experiments",
  "agent.local",
  "agent.far",
  "jobs-stray",
  ...JOB_AGGREGATES.map((kind) => `jobs-${kind}`),
];
const stored = [
  ...AGGREGATE_KINDS.map((kind) => eventSubject(kind, "one")),
  "bioxen.evt.other.one",
  "bioxen.stored.evt.vm.one",
  "bioxen.job-outcome.one",
  "bioxen.job-dead.one",
  "bioxen.blob.cell.state",
  "bioxen.blob.cell.local.state",
  "bioxen.blob.cell.far.state",
  ...LEASES.map((lease) => `$KV.bioxen-leases.${lease}`),
  ...["other", "job", "ledger", ...JOB_AGGREGATES].map((kind) => `$KV.bioxen-first-outcomes.${kind}.0abc`),
  "$KV.bioxen-first-outcomes.0abc",
  "$KV.bioxen-log-record.log",
  "$KV.bioxen-fold-snapshots.manifest",
  "$KV.bioxen-fold-snapshots.a.0",
];

const OF_STREAMS = [
  "STREAM.CREATE",
  "STREAM.UPDATE",
  "STREAM.INFO",
  "STREAM.DELETE",
  "STREAM.PURGE",
  "STREAM.SNAPSHOT",
  "STREAM.RESTORE",
  "STREAM.MSG.GET",
  "STREAM.MSG.DELETE",
  "STREAM.LEADER.STEPDOWN",
  "STREAM.PEER.REMOVE",
  "CONSUMER.CREATE",
  "CONSUMER.NAMES",
  "CONSUMER.LIST",
];
const FEED_NAMES = ["alice_1", "alice_32", "alice_33", "alice_0", "alice-1", "alice", "bob_1", "bob_32"];
const CONSUMERS = ["reader", ...FEED_NAMES, ...JOB_AGGREGATES.map((kind) => `jobs-${kind}`)];
const OF_CONSUMERS = [
  "CREATE",
  "DURABLE.CREATE",
  "INFO",
  "DELETE",
  "MSG.NEXT",
  "PAUSE",
  "UNPIN",
  "RESET",
  "LEADER.STEPDOWN",
];
const streamApi = STREAM_NAMES.flatMap((stream) => [
  ...OF_STREAMS.map((verb) => `$JS.API.${verb}.${stream}`),
  `$JS.API.DIRECT.GET.${stream}`,
  `$JS.API.DIRECT.GET.${stream}.a.subject`,
  ...CONSUMERS.flatMap((consumer) => [
    ...OF_CONSUMERS.map((verb) => `$JS.API.CONSUMER.${verb}.${stream}.${consumer}`),
    `$JS.API.CONSUMER.CREATE.${stream}.${consumer}.bioxen.evt.>`,
    `$JS.API.CONSUMER.CREATE.${stream}.${consumer}.bioxen.feed.alice.vm.*`,
    `$JS.API.CONSUMER.CREATE.${stream}.${consumer}.bioxen.feed.bob.>`,
    `$JS.API.CONSUMER.CREATE.${stream}.${consumer}.bioxen.feed.*.vm.*`,
    `$JS.ACK.${stream}.${consumer}.1.1.1.1.1`,
  ]),
]);
const serverApi = [
  "$JS.API.INFO",
  "$JS.API.STREAM.LIST",
  "$JS.API.STREAM.NAMES",
  "$JS.API.ACCOUNT.PURGE.LOG",
  "$JS.API.META.LEADER.STEPDOWN",
  "$JS.API.SERVER.REMOVE",
  "$JS.LOG.API.STREAM.INFO.BIOXEN_EVENTS",
  "JS.LOG.API.STREAM.INFO.BIOXEN_EVENTS",
  "JS.LOG.API.CONSUMER.CREATE.BIOXEN_EVENTS.reader",
  "$JS.FC.BIOXEN_EVENTS.reader.one",
  "feed.deliver.one",
  "$SYS.REQ.SERVER.PING",
  "$SYS.REQ.SERVER.PING.CONNZ",
  "$SYS.REQ.ACCOUNT.LOG.CONNZ",
  "$SYS.REQ.USER.INFO",
  "$SRV.PING",
  "$SRV.INFO",
  "$SRV.STATS",
  "$SRV.PING.lifecycle",
];

const ofBioxen = [...endpoints, ...ofAgents, ...jobs, ...mapped, ...telemetry, ...stored];

/** Subjects on which a user may or may not publish. */
export const PUBLISHED: readonly string[] = [...new Set([...ofBioxen, ...streamApi, ...serverApi])];

/** Subjects and patterns to which a user may or may not subscribe. */
export const SUBSCRIBED: readonly string[] = [
  ...new Set([
    ...ofBioxen,
    ...["$SRV.PING", "$SRV.PING.lifecycle", "$SRV.INFO.lifecycle.one"],
    ...[
      "_INBOX.one.two",
      "_R_.one",
      "$JS.EVENT.ADVISORY.API",
      "$JS.ACK.BIOXEN_COMMANDS.jobs-vm.1",
      "$SYS.ACCOUNT.LOG.CONNECT",
    ],
    ...[
      ">",
      "*",
      "bioxen.>",
      "bioxen.*.>",
      "bioxen.as.>",
      "bioxen.as.*.*.>",
      "bioxen.as.gateway-admin.>",
      "bioxen.as.gateway-tenant.bob.>",
      "bioxen.from.>",
      "_INBOX.>",
      "_R_.>",
      "$JS.>",
      "$KV.>",
      "$SYS.>",
    ],
    ...["bioxen.evt.>", "bioxen.tel.>", "bioxen.cmd.>", "bioxen.job-outcome.>", "feed.deliver.>"],
    ...[
      "bioxen.feed.>",
      "bioxen.feed.*.vm.*",
      "bioxen.feed.alice.>",
      "bioxen.feed.bob.vm.*",
      "bioxen.stored.feed.>",
    ],
  ]),
];
