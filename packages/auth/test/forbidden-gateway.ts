/**
 * What no user may succeed in with the subjects of the gateway, and what the gateway may not do itself: it is as far from
 * the streams as a principal, and holds no role of its own.
 */
import { act, type ForbiddenAct } from "./forbidden-act.ts";

const AS_ADMIN = "bioxen.as.gateway-admin.admin";
const AS_ALICE = "bioxen.as.gateway-tenant.alice";
const DESTROY = { vmId: "one" };

/** A user that speaks as the gateway does. Each kind of user has a key, and no import under these subjects. */
const OTHERS_AS_GATEWAY: readonly ForbiddenAct[] = [
  ...["experiments", "allocator", "agent-local", "admin", "otto", "bob"].flatMap((who) => [
    act(who, "commands as the gateway, for the admin", (u) => u.ask(`${AS_ADMIN}.cmd.vm.destroy`, DESTROY)),
    act(who, "stores a job as the gateway, for alice", (u) => u.ask(`${AS_ALICE}.job.vm.create`)),
  ]),
  act("olga", "stores a job as the gateway, for the admin", (u) =>
    u.ask(`${AS_ADMIN}.job.vm.destroy`, DESTROY),
  ),
  act("bob", "asks as the gateway, for alice", (u) => u.ask(`${AS_ALICE}.qry.vm.list`)),
  act("alice", "speaks for herself as the gateway, so that events say it", (u) =>
    u.ask(`${AS_ALICE}.cmd.vm.create`),
  ),
  act("bob", "speaks as the gateway with a header of the server", (u) =>
    u.ask(`${AS_ALICE}.cmd.vm.destroy`, {}, { "Nats-Request-Info": '{"acc":"GATEWAY","user":"gateway"}' }),
  ),
  act("bob", "stores a job of alice as lifecycle does for the gateway", (u) =>
    u.ask(`${AS_ALICE}.stored-job.vm.create`),
  ),
  act("bob", "looks at the feed of alice as the gateway", (u) => u.ask(`${AS_ALICE}.feed-info`)),
  act("otto", "stores a job of the gateway as the reply of INFO", (u) =>
    u.send("$JS.API.INFO", "", `${AS_ADMIN}.job.vm.destroy`),
  ),
  act("alice", "stores a job of the gateway as the reply of a query", (u) =>
    u.send("bioxen.qry.vm.list", {}, `${AS_ADMIN}.job.vm.destroy`),
  ),
  act("allocator", "stores a job of the gateway as the reply of another service", (u) =>
    u.send("$JS.API.STREAM.INFO.BIOXEN_EVENTS", "", `${AS_ALICE}.stored-job.vm.create`),
  ),
  act("otto", "pushes the log into a command of the gateway", (u) =>
    u.pushes("BIOXEN_EVENTS", "g1", `${AS_ADMIN}.cmd.vm.destroy`).then(() => undefined),
  ),
  act("agent-local", "pushes the log into a job of the gateway", (u) =>
    u.pushes("BIOXEN_EVENTS", "g2", `${AS_ADMIN}.job.vm.destroy`).then(() => undefined),
  ),
];

/** A user that listens to the gateway, or answers in the place of a service. */
const LISTENERS: readonly ForbiddenAct[] = [
  ...["alice", "admin", "agent-local"].map((who) =>
    act(who, "hears what the gateway asks for bob", (u, other) =>
      u.hears("bioxen.as.gateway-tenant.bob.>", () =>
        other("gateway").send("bioxen.as.gateway-tenant.bob.cmd.vm.create"),
      ),
    ),
  ),
  act("allocator", "serves an endpoint of lifecycle to the gateway", (u, other) =>
    u.hears("bioxen.as.*.*.cmd.vm.create", () => other("gateway").send(`${AS_ALICE}.cmd.vm.create`)),
  ),
  act("allocator", "takes the jobs of tenants that the gateway sends", (u, other) =>
    u.hears("bioxen.as.gateway-tenant.*.job.>", () => other("gateway").send(`${AS_ALICE}.job.vm.create`)),
  ),
  act("alice", "hears the answers to the gateway", (u, other) =>
    u.hears("_INBOX.>", () => other("gateway").ask(`${AS_ALICE}.qry.vm.list`)),
  ),
  act("otto", "pushes the log to an inbox of the gateway", (u, other) =>
    other("gateway").hears("_INBOX.gateway.one", () => u.pushes("BIOXEN_EVENTS", "g3", "_INBOX.gateway.one")),
  ),
];

/** A gateway that was taken over. It may speak for principals; all else is closed to it. */
const GATEWAY_TAKEN_OVER: readonly ForbiddenAct[] = [
  act("gateway", "commands in its own name", (u) => u.ask("bioxen.cmd.vm.destroy", DESTROY)),
  act("gateway", "asks in its own name", (u) => u.ask("bioxen.qry.vm.list")),
  act("gateway", "stores a job in its own name", (u) => u.ask("bioxen.job.vm.destroy", DESTROY)),
  act("gateway", "commands as the admin that speaks itself, so that events do not say it", (u) =>
    u.ask("bioxen.as.admin.admin.cmd.vm.destroy", DESTROY),
  ),
  act("gateway", "commands as an agent", (u) => u.ask("bioxen.from.local.cmd.vm.report")),
  act("gateway", "reports a guest for the admin", (u) => u.ask(`${AS_ADMIN}.cmd.vm.report`)),
  act("gateway", "reserves a place for the admin", (u) => u.ask(`${AS_ADMIN}.cmd.ledger.reserve`)),
  act("gateway", "sets a quota for an operator", (u) =>
    u.ask("bioxen.as.gateway-operator.olga.cmd.quota.set"),
  ),
  act("gateway", "destroys a VM for an observer", (u) =>
    u.ask("bioxen.as.gateway-observer.otto.cmd.vm.destroy", DESTROY),
  ),
  act("gateway", "drains a chassis for a tenant", (u) => u.ask(`${AS_ALICE}.cmd.chassis.drain`)),
  act("gateway", "stores a job of a tenant past lifecycle", (u) => u.ask(`${AS_ALICE}.stored-job.vm.create`)),
  act("gateway", "runs a program at an agent", (u) => u.ask("bioxen.agent.local.exec")),
  act("gateway", "appends an event", (u) => u.ask("bioxen.evt.vm.one")),
  act("gateway", "stores an event as the reply of INFO", (u) =>
    u.send("$JS.API.INFO", "", "bioxen.evt.vm.one"),
  ),
  act("gateway", "stores an event as the reply of a query", (u) =>
    u.send(`${AS_ADMIN}.qry.vm.list`, {}, "bioxen.evt.vm.one"),
  ),
  act("gateway", "overwrites a lease as the reply of STREAM.LIST", (u) =>
    u.send("$JS.API.STREAM.LIST", "", "$KV.bioxen-leases.lifecycle"),
  ),
  act("gateway", "takes a lease", (u) => u.ask("$KV.bioxen-leases.lifecycle", { holder: "me", token: 9 })),
  act("gateway", "settles a command", (u) => u.ask("$KV.bioxen-first-outcomes.vm.0abc", "{}")),
  act("gateway", "deletes the log", (u) => u.ask("$JS.API.STREAM.DELETE.BIOXEN_EVENTS")),
  act("gateway", "purges the feed", (u) => u.ask("$JS.API.STREAM.PURGE.BIOXEN_FEED")),
  act("gateway", "creates a stream on the commands", (u) =>
    u.ask("$JS.API.STREAM.CREATE.MINE", { name: "MINE", subjects: ["bioxen.as.>"] }),
  ),
  act("gateway", "pushes the log into a command", (u) =>
    u.pushes("BIOXEN_EVENTS", "g4", "bioxen.as.admin.admin.cmd.vm.destroy").then(() => undefined),
  ),
  act("gateway", "pushes the log into an agent's exec", (u) =>
    u.pushes("BIOXEN_EVENTS", "g5", "bioxen.agent.local.exec").then(() => undefined),
  ),
  act("gateway", "reads a guest state", (u) =>
    u.ask("$JS.API.DIRECT.GET.BIOXEN_GUEST_STATE.bioxen.blob.one.state"),
  ),
  act("gateway", "reads the jobs", (u) => u.ask("$JS.API.STREAM.MSG.GET.BIOXEN_COMMANDS", { seq: 1 })),
  act("gateway", "takes a job of lifecycle", (u) =>
    u.ask("$JS.API.CONSUMER.MSG.NEXT.BIOXEN_COMMANDS.jobs-vm", { batch: 1, no_wait: true }),
  ),
  act("gateway", "raises an alert", (u, other) =>
    other("otto").hears("bioxen.alert.*.*", () => u.send("bioxen.alert.critical.rule")),
  ),
  act("gateway", "sends telemetry to a tenant", (u, other) =>
    other("alice").hears("bioxen.feed.alice.>", () => u.send("bioxen.feed.alice.tel.alice-1")),
  ),
  act("gateway", "hears the requests of alice", (u, other) =>
    u.hears("bioxen.as.>", () => other("alice").send("bioxen.cmd.vm.create")),
  ),
  act("gateway", "hears the answers to alice", (u, other) =>
    u.hears("_INBOX.>", () => other("alice").ask("bioxen.qry.vm.list")),
  ),
  act("gateway", "reads the configuration of the server", (u) => u.ask("$SYS.REQ.SERVER.PING.VARZ")),
];

export const GATEWAY_ACTS: readonly ForbiddenAct[] = [
  ...OTHERS_AS_GATEWAY,
  ...LISTENERS,
  ...GATEWAY_TAKEN_OVER,
];
