/**
 * What no user may succeed in: acts of a user with valid keys that has turned hostile, written by hand.
 *
 * An act returns what it has obtained, and nothing when it has failed. That it changed nothing is checked afterwards.
 */
import { act, type ForbiddenAct } from "./forbidden-act.ts";
import { FEEDS } from "./forbidden-feeds.ts";
import { GATEWAY_ACTS } from "./forbidden-gateway.ts";

const EVENT = "bioxen.evt.vm.one";
const LEASE = "$KV.bioxen-leases.lifecycle";
const INFO = "$JS.API.INFO";
const DELETE_CREATED = { subject: "bioxen.evt.vm.one" };

/** The server answers with rights of its own on the reply subject of a request. */
const REPLY_INJECTIONS = [
  act("allocator", "stores an event of a VM as the reply of JetStream's INFO", (u) =>
    u.send(INFO, "", EVENT),
  ),
  act("monitor", "stores an event of a ledger as the reply of a stream's INFO", (u) =>
    u.send("$JS.API.STREAM.INFO.BIOXEN_EVENTS", "", "bioxen.evt.ledger.ecoli-1"),
  ),
  act("chassis-scheduler", "stores an event of a VM as the reply of MSG.GET", (u) =>
    u.send("$JS.API.STREAM.MSG.GET.BIOXEN_EVENTS", { seq: 1 }, EVENT),
  ),
  act("lifecycle", "stores an event of a chassis as the reply of DIRECT.GET", (u) =>
    u.send(
      "$JS.API.DIRECT.GET.KV_bioxen-leases.$KV.bioxen-leases.lifecycle",
      "",
      "bioxen.evt.chassis.ecoli-1",
    ),
  ),
  act("allocator", "overwrites the lease of lifecycle as the reply of INFO", (u) => u.send(INFO, "", LEASE)),
  act("monitor", "overwrites the lease of the scheduler as the acknowledgement of an append", (u) =>
    u.send("bioxen.evt.alert.one", "{", "$KV.bioxen-leases.chassis-scheduler", {
      "Nats-Expected-Last-Sequence": "1",
    }),
  ),
  act("allocator", "stores an event of a VM as the reply of another service", (u) =>
    u.send("bioxen.cmd.vm.get", {}, EVENT),
  ),
  act("chassis-scheduler", "stores an event of a ledger as the reply of the allocator", (u) =>
    u.send("$SRV.PING", {}, "bioxen.evt.ledger.ecoli-1"),
  ),
  act("agent-local", "stores an event as the reply of INFO", (u) => u.send(INFO, "", EVENT)),
  act("agent-local", "stores an event as the reply of MSG.NEXT on the mirror", async (u) => {
    await u.ask("$JS.API.CONSUMER.CREATE.BIOXEN_EVENTS.mine", {
      stream_name: "BIOXEN_EVENTS",
      config: { name: "mine", ack_policy: "none", inactive_threshold: 2_000_000_000 },
    });
    u.send("$JS.API.CONSUMER.MSG.NEXT.BIOXEN_EVENTS.mine", { batch: 1, no_wait: true }, EVENT);
  }),
  act("agent-local", "stores an event as the acknowledgement of a guest state", (u) =>
    u.send("bioxen.blob.one.local.state", "{", EVENT, { "Nats-Expected-Last-Subject-Sequence": "999" }),
  ),
  act("agent-local", "takes the lease of another agent as the reply of INFO", (u) =>
    u.send(INFO, "", "$KV.bioxen-leases.agent.far"),
  ),
  act("admin", "stores an event as the reply of INFO", (u) => u.send(INFO, "", EVENT)),
  act("admin", "stores an event as the reply of MSG.GET on a job of its own", (u) =>
    u.send("$JS.API.STREAM.MSG.GET.BIOXEN_COMMANDS", { seq: 1 }, EVENT),
  ),
  act("olga", "overwrites a lease as the reply of STREAM.LIST", (u) =>
    u.send("$JS.API.STREAM.LIST", "", LEASE),
  ),
  act("otto", "stores a job as the reply of INFO", (u) => u.send(INFO, "", "bioxen.job.vm.destroy")),
  act("otto", "stores an event as the reply of discovery", (u) => u.send("$SRV.PING", "", EVENT)),
  act("alice", "stores an event as the reply of a query", (u) => u.send("bioxen.qry.vm.get", {}, EVENT)),
  act("alice", "overwrites a lease as the reply of a command", (u) =>
    u.send("bioxen.cmd.vm.create", {}, LEASE),
  ),
  act("alice", "stores a guest state as the reply of a command", (u) =>
    u.send("bioxen.cmd.vm.start", {}, "bioxen.blob.one.other"),
  ),
  act("alice", "stores a job of bob as the reply of a query", (u) =>
    u.send("bioxen.qry.vm.list", {}, "bioxen.as.tenant.bob.job.vm.create"),
  ),
];

/** Consumers that push the messages of a stream to a subject of the consumer's choice. */
const PUSH_CONSUMERS = [
  act("agent-local", "pushes the log into a command", (u) =>
    u.pushes("BIOXEN_EVENTS", "a1", "bioxen.cmd.vm.destroy").then(() => undefined),
  ),
  act("agent-local", "pushes the log into the command of another caller", (u) =>
    u.pushes("BIOXEN_EVENTS", "a2", "bioxen.as.admin.admin.cmd.vm.destroy").then(() => undefined),
  ),
  act("otto", "pushes the log into an agent's exec", (u) =>
    u.pushes("BIOXEN_EVENTS", "o1", "bioxen.agent.local.exec").then(() => undefined),
  ),
  act("otto", "pushes the log into the log", (u) =>
    u.pushes("BIOXEN_EVENTS", "o2", EVENT).then(() => undefined),
  ),
  act("otto", "pushes the log into a lease", (u) =>
    u.pushes("BIOXEN_EVENTS", "o3", LEASE).then(() => undefined),
  ),
  act("otto", "pushes the log into the request that purges the guest states", (u) =>
    u.pushes("BIOXEN_EVENTS", "o4", "$JS.API.STREAM.PURGE.BIOXEN_GUEST_STATE").then(() => undefined),
  ),
  act("otto", "pushes the log into the request that deletes its mirror", (u) =>
    u.pushes("BIOXEN_EVENTS", "o5", "$JS.API.STREAM.DELETE.BIOXEN_EVENTS").then(() => undefined),
  ),
  act("otto", "pushes the mirror into the requests of the mirror to the log", (u) =>
    u.pushes("BIOXEN_EVENTS", "o6", "JS.LOG.API.CONSUMER.DELETE.BIOXEN_EVENTS.reader").then(() => undefined),
  ),
  act("otto", "pushes an event to those who follow another VM", async (u, other) =>
    other("olga").hears("bioxen.evt.vm.other", () => u.pushes("BIOXEN_EVENTS", "o7", "bioxen.evt.vm.other")),
  ),
  act("otto", "pushes the log to another observer's inbox", async (u, other) =>
    other("olga").hears("_INBOX.olga.one", () => u.pushes("BIOXEN_EVENTS", "o8", "_INBOX.olga.one")),
  ),
  act("allocator", "pushes the log into a command of lifecycle", (u) =>
    u.pushes("BIOXEN_EVENTS", "s1", "bioxen.cmd.vm.report").then(() => undefined),
  ),
  act("allocator", "pushes the log into an agent's exec", (u) =>
    u.pushes("BIOXEN_EVENTS", "s2", "bioxen.agent.local.exec").then(() => undefined),
  ),
  act("allocator", "pushes the log into the lease of lifecycle", (u) =>
    u.pushes("BIOXEN_EVENTS", "s3", LEASE).then(() => undefined),
  ),
  act("allocator", "pushes the log into the jobs", (u) =>
    u.pushes("BIOXEN_EVENTS", "s4", "bioxen.job.vm.destroy").then(() => undefined),
  ),
  act("monitor", "pushes the log into the request that deletes a message of the jobs", (u) =>
    u.pushes("BIOXEN_EVENTS", "s5", "$JS.API.STREAM.MSG.DELETE.BIOXEN_COMMANDS").then(() => undefined),
  ),
];

/** The log and the streams. */
const STREAMS = [
  act("allocator", "appends an event of a VM", (u) => u.ask(EVENT)),
  act("lifecycle", "appends an event of a ledger", (u) => u.ask("bioxen.evt.ledger.ecoli-1")),
  act("monitor", "appends an event of the log", (u) => u.ask("bioxen.evt.log.skips")),
  act("chassis-scheduler", "appends an event of a quota", (u) => u.ask("bioxen.evt.quota.team")),
  act("experiments", "appends an event of a VM", (u) => u.ask(EVENT)),
  act("experiments", "moves a VM", (u) => u.ask("bioxen.cmd.vm.move")),
  act("agent-local", "appends an event", (u) => u.ask(EVENT)),
  act("admin", "appends an event", (u) => u.ask(EVENT)),
  act("alice", "appends an event", (u) => u.ask(EVENT)),
  act("lifecycle", "deletes the log", (u) => u.ask("$JS.API.STREAM.DELETE.BIOXEN_EVENTS")),
  act("lifecycle", "purges the log", (u) => u.ask("$JS.API.STREAM.PURGE.BIOXEN_EVENTS")),
  act("lifecycle", "deletes an event", (u) => u.ask("$JS.API.STREAM.MSG.DELETE.BIOXEN_EVENTS", { seq: 1 })),
  act("lifecycle", "lets the log forget its events", (u) =>
    u.ask("$JS.API.STREAM.UPDATE.BIOXEN_EVENTS", {
      name: "BIOXEN_EVENTS",
      subjects: ["bioxen.evt.>"],
      max_msgs: 1,
    }),
  ),
  act("monitor", "creates a stream on the commands", (u) =>
    u.ask("$JS.API.STREAM.CREATE.MINE", { name: "MINE", subjects: ["bioxen.cmd.>"] }),
  ),
  act("admin", "creates a stream on the commands", (u) =>
    u.ask("$JS.API.STREAM.CREATE.MINE", { name: "MINE", subjects: ["bioxen.cmd.>"] }),
  ),
  act("provisioner", "deletes the log", (u) => u.ask("$JS.API.STREAM.DELETE.BIOXEN_EVENTS")),
  act("provisioner", "purges the log, which denies it", (u) => u.ask("$JS.API.STREAM.PURGE.BIOXEN_EVENTS")),
  act("provisioner", "appends an event", (u) => u.ask(EVENT)),
  act("feed", "stores an event through the account of the mirror", (u) => u.ask(EVENT)),
  act("feed", "deletes a consumer of the log", (u) =>
    u.ask("JS.LOG.API.CONSUMER.DELETE.BIOXEN_EVENTS.reader"),
  ),
  act("admin", "purges the guest states", (u) => u.ask("$JS.API.STREAM.PURGE.BIOXEN_GUEST_STATE")),
  act("agent-local", "purges the guest states", (u) => u.ask("$JS.API.STREAM.PURGE.BIOXEN_GUEST_STATE")),
  act("agent-far", "replaces a guest state of another agent", (u) =>
    u.ask("bioxen.blob.one.local.state", "other bytes"),
  ),
  act("agent-far", "replaces a guest state of an earlier release", (u) =>
    u.ask("bioxen.blob.one.state", "other bytes"),
  ),
  act("agent-far", "replaces a guest state of another agent as the reply of INFO", (u) =>
    u.send(INFO, "", "bioxen.blob.one.local.state"),
  ),
  act("lifecycle", "replaces a guest state of an agent", (u) =>
    u.ask("bioxen.blob.one.local.state", "other bytes"),
  ),
  act("alice", "replaces a stored guest state", (u) => u.ask("bioxen.blob.one.state", "other bytes")),
  act("monitor", "replaces a stored guest state", (u) => u.ask("bioxen.blob.one.state", "other bytes")),
  act("lifecycle", "restores an older log over the present one", (u) =>
    u.ask("$JS.API.STREAM.RESTORE.BIOXEN_EVENTS", {
      config: { name: "BIOXEN_EVENTS" },
      state: DELETE_CREATED,
    }),
  ),
];

/** Leases, outcomes, jobs and the work of other services. */
const WORK_OF_OTHERS = [
  act("allocator", "takes the lease of lifecycle", (u) => u.ask(LEASE, { holder: "me", token: 9 })),
  act("monitor", "takes the lease on the jobs of VMs", (u) =>
    u.ask("$KV.bioxen-leases.jobs-vm", { holder: "me" }),
  ),
  act("agent-far", "takes the claim of another agent", (u) =>
    u.ask("$KV.bioxen-leases.agent.local", { holder: "me" }),
  ),
  act("alice", "takes a lease", (u) => u.ask(LEASE, { holder: "me", token: 9 })),
  act("admin", "takes a lease", (u) => u.ask(LEASE, { holder: "me", token: 9 })),
  act("allocator", "settles a command of lifecycle", (u) => u.ask("$KV.bioxen-first-outcomes.vm.0abc", "{}")),
  act("agent-local", "settles a command of lifecycle", (u) =>
    u.ask("$KV.bioxen-first-outcomes.vm.0abc", "{}"),
  ),
  act("admin", "settles a command", (u) => u.ask("$KV.bioxen-first-outcomes.vm.0abc", "{}")),
  act("agent-local", "stores the outcome of a job", (u) => u.ask("bioxen.job-outcome.one", { ok: true })),
  act("olga", "stores the outcome of a job", (u) => u.ask("bioxen.job-outcome.one", { ok: true })),
  act("allocator", "acknowledges a job of lifecycle", (u) =>
    u.send("$JS.ACK.BIOXEN_COMMANDS.jobs-vm.1.1.1.1700000000000000000.0", "+ACK"),
  ),
  act("admin", "acknowledges a job", (u) =>
    u.send("$JS.ACK.BIOXEN_COMMANDS.jobs-vm.1.1.1.1700000000000000000.0", "+ACK"),
  ),
  act("monitor", "takes a job of lifecycle", (u) =>
    u.ask("$JS.API.CONSUMER.MSG.NEXT.BIOXEN_COMMANDS.jobs-vm", { batch: 1, no_wait: true }),
  ),
  act("monitor", "deletes the consumer of the jobs of VMs", (u) =>
    u.ask("$JS.API.CONSUMER.DELETE.BIOXEN_COMMANDS.jobs-vm"),
  ),
  act("admin", "deletes a waiting job past the services", (u) =>
    u.ask("$JS.API.STREAM.MSG.DELETE.BIOXEN_COMMANDS", { seq: 1 }),
  ),
  act("allocator", "serves the endpoints of lifecycle", (u, other) =>
    u.hears("bioxen.as.tenant.alice.cmd.vm.create", () => other("alice").send("bioxen.cmd.vm.create")),
  ),
  act("alice", "serves the endpoints of lifecycle to bob", (u, other) =>
    u.hears("bioxen.cmd.vm.create", () => other("bob").send("bioxen.cmd.vm.create")),
  ),
  act("agent-far", "serves the endpoint of another agent", (u, other) =>
    u.hears("bioxen.agent.local.exec", () => other("lifecycle").send("bioxen.agent.local.exec")),
  ),
];

/** Calls in a role or a name that the caller does not have. */
const OTHER_CALLERS = [
  act("alice", "calls as bob", (u) => u.ask("bioxen.as.tenant.bob.cmd.vm.destroy", { vmId: "bob-1" })),
  act("alice", "calls as the admin", (u) => u.ask("bioxen.as.admin.admin.cmd.quota.set")),
  act("alice", "sends a job as bob", (u) => u.ask("bioxen.as.tenant.bob.job.vm.create")),
  act("alice", "sets a quota", (u) => u.ask("bioxen.cmd.quota.set")),
  act("alice", "drains a chassis", (u) => u.ask("bioxen.cmd.chassis.drain")),
  act("alice", "drains a chassis by a job", (u) => u.ask("bioxen.job.chassis.drain")),
  act("alice", "reports a guest as an agent does", (u) => u.ask("bioxen.cmd.vm.report")),
  act("alice", "reports a division as an agent does", (u) => u.ask("bioxen.cmd.vm.divide")),
  act("alice", "reserves a place as the scheduler does", (u) => u.ask("bioxen.cmd.ledger.reserve")),
  act("alice", "runs a program at the agent", (u) => u.ask("bioxen.agent.local.exec")),
  act("olga", "sets a quota", (u) => u.ask("bioxen.cmd.quota.set")),
  act("olga", "sets a quota by a job", (u) => u.ask("bioxen.job.quota.set")),
  act("otto", "destroys a VM", (u) => u.ask("bioxen.cmd.vm.destroy")),
  act("otto", "destroys a VM by a job", (u) => u.ask("bioxen.job.vm.destroy")),
  act("admin", "reports a guest as an agent does", (u) => u.ask("bioxen.cmd.vm.report")),
  act("admin", "reports a guest by a job", (u) => u.ask("bioxen.job.vm.report")),
  act("admin", "runs a program at the agent past lifecycle", (u) => u.ask("bioxen.agent.local.exec")),
  act("agent-local", "calls as another agent", (u) => u.ask("bioxen.from.far.cmd.vm.report")),
  act("agent-local", "reports a division as another agent", (u) => u.ask("bioxen.from.far.cmd.vm.divide")),
  act("agent-local", "destroys a VM", (u) => u.ask("bioxen.cmd.vm.destroy")),
  act("agent-local", "runs a program at another agent", (u) => u.ask("bioxen.agent.far.exec")),
  act("monitor", "reports a guest", (u) => u.ask("bioxen.cmd.vm.report")),
  act("allocator", "destroys a VM as the admin", (u) => u.ask("bioxen.as.admin.admin.cmd.vm.destroy")),
  act("alice", "forges the header of the server about the caller", (u) =>
    u.ask(
      "bioxen.as.admin.admin.cmd.vm.destroy",
      {},
      { "Nats-Request-Info": '{"acc":"P-admin","user":"admin"}' },
    ),
  ),
];

/** Telemetry in another's name, and what belongs to other readers. */
const OTHERS_DATA = [
  act("agent-local", "sends telemetry as another agent", (u, other) =>
    other("monitor").hears("bioxen.from.far.tel.vm.*", () => u.send("bioxen.from.far.tel.vm.one")),
  ),
  act("alice", "sends telemetry to the monitor", (u, other) =>
    other("monitor").hears("bioxen.from.*.tel.vm.*", () => u.send("bioxen.tel.vm.one")),
  ),
  act("alice", "sends telemetry to an observer", (u, other) =>
    other("otto").hears("bioxen.tel.vm.*", () => u.send("bioxen.tel.vm.one")),
  ),
  act("admin", "sends a heartbeat of a chassis", (u, other) =>
    other("chassis-scheduler").hears("bioxen.from.*.tel.chassis.*", () =>
      u.send("bioxen.tel.chassis.ecoli-1"),
    ),
  ),
  act("allocator", "raises an alert", (u, other) =>
    other("otto").hears("bioxen.alert.*.*", () => u.send("bioxen.alert.critical.rule")),
  ),
  act("otto", "tells another observer of an event that is not stored", (u, other) =>
    other("olga").hears("bioxen.evt.vm.*", () => u.send("bioxen.evt.vm.one")),
  ),
  act("lifecycle", "tells observers of an event that the log refused", (u, other) =>
    other("olga").hears("bioxen.evt.vm.*", () =>
      u.send("bioxen.evt.vm.one", "{}", undefined, { "Nats-Expected-Last-Subject-Sequence": "999" }),
    ),
  ),
  act("bob", "hears the answers to alice", (u, other) =>
    u.hears("_INBOX.>", () => other("alice").ask("bioxen.qry.vm.list")),
  ),
  act("allocator", "hears the answers to lifecycle", (u, other) =>
    u.hears("_INBOX.>", () => other("lifecycle").ask("$JS.API.STREAM.INFO.BIOXEN_EVENTS")),
  ),
  act("alice", "hears the requests of bob", (u, other) =>
    u.hears("bioxen.as.tenant.bob.>", () => other("bob").send("bioxen.cmd.vm.create")),
  ),
  act("alice", "hears everything", (u, other) =>
    u.hears(">", () => other("agent-local").send("bioxen.tel.vm.one")),
  ),
  act("alice", "hears telemetry", (u, other) =>
    u.hears("bioxen.tel.>", () => other("agent-local").send("bioxen.tel.vm.one")),
  ),
  act("alice", "reads the log", (u) => u.ask("$JS.API.STREAM.MSG.GET.BIOXEN_EVENTS", { seq: 1 })),
  act("alice", "follows the log", (u) => u.pushes("BIOXEN_EVENTS", "t1", "_INBOX.alice.one")),
  act("alice", "reads the jobs of others", (u) =>
    u.ask("$JS.API.STREAM.MSG.GET.BIOXEN_COMMANDS", { seq: 1 }),
  ),
  act("alice", "reads the outcomes of jobs of others", (u) =>
    u.ask("$JS.API.STREAM.MSG.GET.BIOXEN_OUTCOMES", { last_by_subj: "bioxen.job-outcome.one" }),
  ),
  act("alice", "reads a guest state", (u) =>
    u.ask("$JS.API.DIRECT.GET.BIOXEN_GUEST_STATE.bioxen.blob.one.state"),
  ),
  act("otto", "reads a guest state", (u) =>
    u.ask("$JS.API.DIRECT.GET.BIOXEN_GUEST_STATE.bioxen.blob.one.state"),
  ),
  act("otto", "reads the jobs", (u) => u.ask("$JS.API.STREAM.MSG.GET.BIOXEN_COMMANDS", { seq: 1 })),
  act("admin", "lists the connections of the account with the streams", (u) =>
    u.ask("$SYS.REQ.ACCOUNT.LOG.CONNZ"),
  ),
  act("admin", "reads the configuration of the server", (u) => u.ask("$SYS.REQ.SERVER.PING.VARZ")),
];

export const FORBIDDEN_ACTS: readonly ForbiddenAct[] = [
  ...FEEDS,
  ...GATEWAY_ACTS,
  ...REPLY_INJECTIONS,
  ...PUSH_CONSUMERS,
  ...STREAMS,
  ...WORK_OF_OTHERS,
  ...OTHER_CALLERS,
  ...OTHERS_DATA,
];
