/**
 * What no user may succeed in with the feed of tenants.
 */
import type { Acting } from "./acting.ts";
import { act, type ForbiddenAct } from "./forbidden-act.ts";

/** Creates a consumer of the feed. `named` is the filter in the subject of the request, if it has one. */
function feedConsumer(
  u: Acting,
  named: string | undefined,
  config: object,
  name = "alice_9",
): Promise<string | undefined> {
  const subject = `$JS.API.CONSUMER.CREATE.BIOXEN_FEED.${name}${named === undefined ? "" : `.${named}`}`;
  const common = { name, ack_policy: "none", inactive_threshold: 2_000_000_000 };
  return u.ask(subject, { stream_name: "BIOXEN_FEED", config: { ...common, ...config } });
}

/** Lets alice follow her feed by a consumer whose name others know, and returns what another user then obtains by `use`. */
async function knowingTheName(
  other: (name: string) => Acting,
  name: string,
  use: (subject: (verb: string) => string) => Promise<string | undefined>,
): Promise<string | undefined> {
  const alice = other("alice");
  const filter_subject = "bioxen.feed.alice.>";
  const made = await feedConsumer(alice, filter_subject, { filter_subject, deliver_policy: "all" }, name);
  if (made === undefined) return "alice has no consumer, so this act proves nothing";
  const obtained = await use((verb) => `$JS.API.CONSUMER.${verb}.BIOXEN_FEED.${name}`);
  const kept = await alice.ask(`$JS.API.CONSUMER.INFO.BIOXEN_FEED.${name}`);
  const info = JSON.parse(kept ?? "{}");
  if (info.config?.filter_subject !== filter_subject) return "the consumer of alice was changed or deleted";
  return info.delivered.consumer_seq === 0 ? obtained : "a message was taken from the consumer of alice";
}

/** The consumer of a tenant, for another tenant that knows its name. */
const KNOWN_CONSUMERS: readonly ForbiddenAct[] = [
  act("bob", "reads the consumer of alice, whose name is known", (u, other) =>
    knowingTheName(other, "alice_20", (subject) => u.ask(subject("MSG.NEXT"), { batch: 1, no_wait: true })),
  ),
  act("bob", "describes the consumer of alice", (u, other) =>
    knowingTheName(other, "alice_21", (subject) => u.ask(subject("INFO"))),
  ),
  act("bob", "deletes the consumer of alice", (u, other) =>
    knowingTheName(other, "alice_22", (subject) => u.ask(subject("DELETE"))),
  ),
  act("bob", "gives the consumer of alice his own filter", (u, other) =>
    knowingTheName(other, "alice_23", () =>
      feedConsumer(u, "bioxen.feed.bob.>", { filter_subject: "bioxen.feed.bob.>" }, "alice_23"),
    ),
  ),
  act("bob", "creates a consumer that alice would use", (u) =>
    feedConsumer(u, "bioxen.feed.bob.>", { filter_subject: "bioxen.feed.bob.>" }, "alice_24"),
  ),
  act("alice", "creates a consumer beyond her number", (u) =>
    feedConsumer(u, "bioxen.feed.alice.>", { filter_subject: "bioxen.feed.alice.>" }, "alice_33"),
  ),
  act("alice", "creates a consumer with a name of no tenant", (u) =>
    feedConsumer(u, "bioxen.feed.alice.>", { filter_subject: "bioxen.feed.alice.>" }, "mine"),
  ),
  act("otto", "reads the consumer of alice", (u, other) =>
    knowingTheName(other, "alice_25", (subject) => u.ask(subject("MSG.NEXT"), { batch: 1, no_wait: true })),
  ),
  act("agent-local", "reads the consumer of alice", (u, other) =>
    knowingTheName(other, "alice_26", (subject) => u.ask(subject("MSG.NEXT"), { batch: 1, no_wait: true })),
  ),
];

/** The feed of tenants. */
export const FEEDS: readonly ForbiddenAct[] = [
  ...KNOWN_CONSUMERS,
  act("alice", "follows the feed of bob", (u) =>
    feedConsumer(u, "bioxen.feed.bob.>", { filter_subject: "bioxen.feed.bob.>" }),
  ),
  act("alice", "follows the feed of everybody", (u) => feedConsumer(u, undefined, {})),
  act("alice", "names her feed and follows that of bob", (u) =>
    feedConsumer(u, "bioxen.feed.alice.>", { filter_subject: "bioxen.feed.bob.>" }),
  ),
  act("alice", "names her feed and follows several", (u) =>
    feedConsumer(u, "bioxen.feed.alice.>", { filter_subjects: ["bioxen.feed.alice.>", "bioxen.feed.bob.>"] }),
  ),
  act("alice", "names her feed and follows all", (u) => feedConsumer(u, "bioxen.feed.alice.>", {})),
  act("alice", "reads a message of the feed of bob", (u) =>
    u.ask("$JS.API.STREAM.MSG.GET.BIOXEN_FEED", { last_by_subj: "bioxen.feed.bob.vm.bob-1" }),
  ),
  act("alice", "reads it directly", (u) => u.ask("$JS.API.DIRECT.GET.BIOXEN_FEED.bioxen.feed.bob.vm.bob-1")),
  act("alice", "lists the consumers of other tenants", (u) => u.ask("$JS.API.CONSUMER.NAMES.BIOXEN_FEED")),
  act("alice", "hears the feed of bob", (u, other) =>
    u.hears("bioxen.feed.bob.>", () => other("monitor").send("bioxen.feed.bob.tel.bob-1")),
  ),
  act("bob", "hears everything of the monitor", (u, other) =>
    u.hears("bioxen.feed.>", () => other("monitor").send("bioxen.feed.alice.log.alice-1")),
  ),
  act("alice", "stores an event in the feed of bob", (u) => u.ask("bioxen.feed.bob.vm.bob-1")),
  act("alice", "stores an event in a feed as the reply of INFO", (u) =>
    u.send("$JS.API.INFO", "", "bioxen.feed.bob.vm.bob-1"),
  ),
  act("agent-local", "stores an event in a feed", (u) => u.ask("bioxen.feed.alice.vm.alice-1")),
  act("lifecycle", "stores an event in a feed", (u) => u.ask("bioxen.feed.alice.vm.alice-1")),
  act("otto", "stores an event in a feed as the reply of INFO", (u) =>
    u.send("$JS.API.INFO", "", "bioxen.feed.alice.vm.alice-1"),
  ),
  act("alice", "pushes her feed to the inbox of bob", async (u, other) =>
    other("bob").hears("_INBOX.bob.one", () =>
      u.pushes("BIOXEN_FEED", "alice_10", "_INBOX.bob.one", "bioxen.feed.alice.>"),
    ),
  ),
  act("alice", "pushes her feed into that of bob", async (u, other) =>
    other("bob").hears("bioxen.feed.bob.>", () =>
      u.pushes("BIOXEN_FEED", "alice_11", "bioxen.feed.bob.vm.bob-1", "bioxen.feed.alice.>"),
    ),
  ),
  ...[
    "bioxen.evt.vm.one",
    "$KV.bioxen-leases.lifecycle",
    "bioxen.cmd.vm.destroy",
    "bioxen.as.admin.admin.cmd.vm.destroy",
    "bioxen.agent.local.exec",
    "$JS.API.STREAM.DELETE.BIOXEN_FEED",
    "$JS.API.STREAM.DELETE.BIOXEN_EVENTS",
    "JS.LOG.API.CONSUMER.DELETE.BIOXEN_EVENTS.reader",
  ].map((subject, i) =>
    act("alice", `pushes her feed into ${subject}`, (u) =>
      u.pushes("BIOXEN_FEED", `alice_${12 + i}`, subject, "bioxen.feed.alice.>").then(() => undefined),
    ),
  ),
];
