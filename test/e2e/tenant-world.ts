/**
 * Two tenants that share a chassis on a stack with keys: each has preempted a VM of the other, and everything of the one
 * tenant has a word in it that the other one must not get.
 */
import { join } from "node:path";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { expect } from "vitest";
import { loginOf } from "./raw-connection.ts";
import {
  CELL,
  GIVEN,
  LABELS,
  LOW,
  MARK,
  OWN,
  OWNER,
  PROGRAM,
  READER,
  SNAPSHOT,
  URGENT,
} from "./tenant-queries.ts";
import { eventually, type Json, World } from "./world.ts";

const TIMEOUT_MS = 20_000;
const UUID = "0a0b0c0d-1a1b-4c1d-8a2b-2c2d3a3b3c3d";

export class TenantWorld {
  readonly world: World;
  readonly owner: NatsConnection;
  readonly reader: NatsConnection;
  readonly agent: NatsConnection;
  /** Last sequence of the log after the preparation. */
  seq = 0;

  private constructor(
    world: World,
    [owner, reader, agent]: readonly [NatsConnection, NatsConnection, NatsConnection],
  ) {
    this.world = world;
    this.owner = owner;
    this.reader = reader;
    this.agent = agent;
  }

  static async open(): Promise<TenantWorld> {
    const world = await World.open({
      chassis: "ecoli:1",
      violations: "the tenants try what only others may",
    });
    for (const name of [OWNER, READER]) {
      const added = await world.bioxen("auth", "add", name, "--role", "tenant");
      expect(added, added.stderr).toMatchObject({ code: 0 });
    }
    const all = new TenantWorld(world, [
      await login(world, `${OWNER}.creds`),
      await login(world, `${READER}.creds`),
      await login(world, "agents/local.creds"),
    ]);
    await all.#runVms();
    await all.#makeRecords();
    const info = await world.nats.request("$JS.API.STREAM.INFO.BIOXEN_EVENTS", "");
    all.seq = info.json<Json>().state.last_seq;
    return all;
  }

  async close(): Promise<void> {
    await Promise.all([this.owner, this.reader, this.agent].map((one) => one.close()));
    await this.world.close();
  }

  /** Another connection of the reader. */
  loginAsReader(): Promise<NatsConnection> {
    return login(this.world, `${READER}.creds`);
  }

  /** Returns the text of the reply. */
  async ask(as: NatsConnection, subject: string, payload: object, messageId?: string): Promise<string> {
    const headers = this.world.headersOf(messageId === undefined ? {} : { "Nats-Msg-Id": messageId });
    return (await as.request(subject, JSON.stringify(payload), { timeout: TIMEOUT_MS, headers })).string();
  }

  async done(as: NatsConnection, subject: string, payload: object): Promise<Json> {
    const reply = JSON.parse(await this.ask(as, `bioxen.${subject}`, payload));
    expect(reply, `${subject} ${JSON.stringify(payload)}`).toMatchObject({ ok: true });
    return reply;
  }

  /** The chassis offers 22 355 ribosomes: each start after the first two needs what VMs of the other tenant hold. */
  async #runVms(): Promise<void> {
    const { owner, reader, world } = this;
    const lean = { guarantee: { ribosomes: "10%" } };
    await this.#start(reader, OWN, { resources: { ribosomes: 12_000 }, ...lean });
    await this.#start(reader, GIVEN, { resources: { ribosomes: 100 } });
    await world.done("cmd.vm.transfer", { vmId: GIVEN, owner: OWNER });
    const wanted = { resources: { ribosomes: 15_000 }, priority: 4 };
    await this.#start(owner, CELL, {
      ...wanted,
      labels: LABELS,
      program: PROGRAM,
      record: { everyMinutes: 1 },
    });
    await this.#preempted(OWN);
    await this.#start(owner, LOW, { resources: { ribosomes: 5_000 }, ...lean });
    await this.#start(reader, URGENT, { resources: { ribosomes: 6_000 }, priority: 5 });
    await this.#preempted(LOW);
    await this.done(owner, "cmd.vm.exec", { vmId: GIVEN, source: PROGRAM });
    await this.done(owner, "cmd.vm.snapshot", { vmId: CELL, snapshotId: SNAPSHOT });
  }

  async #start(as: NatsConnection, vmId: string, request: object): Promise<void> {
    await this.done(as, "cmd.vm.create", { vmId, biologicalType: "syn3a", ...request });
    await this.done(as, "cmd.vm.start", { vmId });
    await this.world.reach(vmId, "running");
  }

  #preempted(vmId: string): Promise<true> {
    return eventually(`${vmId} is preempted`, async () => {
      const { vm } = await this.world.look("qry.vm.get", { vmId });
      return vm?.preemption?.active === true || undefined;
    });
  }

  /** What the admin and the agent know of the owner's VMs. */
  async #makeRecords(): Promise<void> {
    const { agent, world } = this;
    const quota = { resources: { ribosomes: 100_000 } };
    await world.done("cmd.quota.set", { owner: OWNER, ...quota });
    await world.done("cmd.quota.set", { label: `${MARK}-label`, ...quota });
    const ruleId = `${MARK}-rule`;
    const condition = { metric: "vm.growthPermille", below: 800, severity: "critical" };
    await world.done("cmd.alert.set-rule", { ruleId, ...condition, scope: { vmId: LOW } });
    const left = { vmId: CELL, kind: "disk", tries: 11, reason: `${MARK} reason`, nextTryAtMs: null };
    await this.done(agent, "cmd.chassis.report-left", { chassisId: "ecoli-1", uuid: UUID, left });
    await world.done("cmd.chassis.drain", { chassisId: "ecoli-1", parallelism: 1 });
    await world.done("cmd.chassis.cancel-drain", { chassisId: "ecoli-1" });
    await world.sample(CELL);
    await eventually("the alert is active", async () => {
      const { active } = await world.look("qry.alert.list", { ruleId });
      return active?.length > 0 || undefined;
    });
  }
}

async function login(world: World, file: string): Promise<NatsConnection> {
  return connect({ servers: world.url, ...(await loginOf(join(world.stack.dataDir, "keys", file))) });
}

/** Every text in a request: a reply may repeat it. */
function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [key, ...textsIn(inner)]);
}

/** Returns the reply without the words of the request. A longer name that begins with one of them stays. */
export function withoutEcho(reply: string, request: unknown): string {
  const own = textsIn(request).filter((text) => text.includes(MARK));
  const whole = (text: string) =>
    new RegExp(`(?<![a-z0-9-])${text.replaceAll(/[^a-z0-9-]/gi, "\\$&")}(?![a-z0-9-])`, "g");
  return own
    .sort((a, b) => b.length - a.length)
    .reduce((text, one) => text.replace(whole(one), "(echo)"), reply);
}
