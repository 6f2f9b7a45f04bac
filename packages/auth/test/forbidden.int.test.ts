/**
 * Acts of hostile users on a real server with the generated configuration: none succeeds, and nothing changes. Once with
 * the whole configuration, and once without the permissions of users, so that the accounts alone must hold.
 */
import { ARRIVING_TENANT_JOBS, ENDPOINTS, JOB_INTAKE } from "@bioxen/contracts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Acting, Inspector, Receivers } from "./acting.ts";
import { FORBIDDEN_ACTS } from "./forbidden-acts.ts";
import { AGENTS, KeyedServer, USERS } from "./keyed-server.ts";

/** What each service and agent listens to: its endpoints under the subjects of every kind of caller. */
function served(): Record<string, string[]> {
  const found: Record<string, string[]> = { [JOB_INTAKE]: [...ARRIVING_TENANT_JOBS] };
  for (const { subject, owner } of Object.values(ENDPOINTS)) {
    const rest = subject.slice("bioxen.".length);
    found[owner] ??= [];
    found[owner].push(subject, `bioxen.as.*.*.${rest}`, `bioxen.from.*.${rest}`);
  }
  for (const id of AGENTS)
    found[`agent-${id}`] = [`bioxen.agent.${id}.exec`, `bioxen.agent.${id}.checkpoint`];
  return found;
}

/** Stores a message on each stream, as its owner does. */
async function seed(keyed: KeyedServer): Promise<void> {
  const as = async (name: string) => jetstream(await keyed.as(name));
  const lifecycle = await as("lifecycle");
  for (const subject of [
    "bioxen.evt.vm.one",
    "bioxen.evt.vm.other",
    "bioxen.job-outcome.one",
    "bioxen.job-dead.one",
  ])
    await lifecycle.publish(subject, JSON.stringify({ stored: subject }));
  await (await as("allocator")).publish("bioxen.evt.ledger.ecoli-1", "{}");
  for (const name of ["alice", "bob"])
    await (await as("monitor")).publish(`bioxen.feed.${name}.vm.${name}-1`, "{}");
  for (const service of ["lifecycle", "allocator", "chassis-scheduler", "monitor", "experiments"])
    await (await as(service)).publish(
      `$KV.bioxen-leases.${service}`,
      JSON.stringify({ holder: service, token: 1 }),
    );
  const agent = await as("agent-local");
  await agent.publish("$KV.bioxen-leases.agent.local", JSON.stringify({ holder: "local", token: 1 }));
  await agent.publish("bioxen.blob.one.local.state", "bytes");
  await lifecycle.publish("bioxen.blob.one.state", "bytes");
  for (const vmId of ["one", "two"])
    await (await as("admin")).publish("bioxen.job.vm.create", JSON.stringify({ vmId }), { msgID: vmId });
  // A job of an open stack, which the consumer below delivers.
  await jetstream(await keyed.as("inspector")).publish("bioxen.job.vm.create", "{}");
  const jsm = await jetstreamManager(await keyed.as("lifecycle"));
  const filter_subject = "bioxen.job.vm.>";
  const config = {
    durable_name: "jobs-vm",
    filter_subject,
    ack_policy: "explicit",
    ack_wait: 600_000_000_000,
  } as const;
  await jsm.consumers.add("BIOXEN_COMMANDS", config);
  const consumer = await lifecycle.consumers.get("BIOXEN_COMMANDS", "jobs-vm");
  const message = await consumer.next({ expires: 2_000 });
  expect(message?.subject).toContain("job.vm.create");
}

/** The users of the accounts that hold the streams. Only their permissions limit them. */
const PROVISIONERS = ["provisioner", "feed"];

describe.each([
  ["with the permissions of users", (text: string) => text, FORBIDDEN_ACTS],
  [
    "by the accounts alone",
    (text: string) => text.replaceAll(/, permissions: \{.*\} \}$/gm, " }"),
    FORBIDDEN_ACTS.filter(({ who }) => !PROVISIONERS.includes(who)),
  ],
] as const)("%s", (_how, edit, acts) => {
  let keyed: KeyedServer;
  let inspector: Inspector;
  const receivers = new Receivers();
  const actors = new Map<string, Acting>();
  const actor = (name: string): Acting => {
    const found = actors.get(name);
    if (found === undefined) throw new Error(`no user ${name}`);
    return found;
  };

  beforeAll(async () => {
    keyed = await KeyedServer.start(edit);
    await seed(keyed);
    inspector = await Inspector.open(keyed);
    await receivers.begin(keyed, served());
    for (const name of [...USERS, ...PROVISIONERS]) actors.set(name, new Acting(name, await keyed.as(name)));
  });
  afterAll(() => keyed.stop());

  it("has at least 60 acts, of every kind of user", () => {
    expect(FORBIDDEN_ACTS.length).toBeGreaterThanOrEqual(60);
    const actsOf = new Set(FORBIDDEN_ACTS.map(({ who }) => who));
    expect([...USERS].filter((user) => !actsOf.has(user))).toEqual([]);
  });

  it.each(acts.map((one) => [`${one.who} ${one.what}`, one] as const))("not: %s", async (_name, one) => {
    const before = await inspector.state();
    const callers = new Set([one.who]);
    receivers.takeForeign(callers);
    const user = actor(one.who);
    const obtained = await one.act(user, (name) => {
      callers.add(name);
      return actor(name);
    });
    expect(obtained).toBeUndefined();
    await user.connection.flush();
    expect(await inspector.state()).toEqual(before);
    expect(receivers.takeForeign(callers)).toEqual([]);
  });
});
