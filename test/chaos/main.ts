/**
 * `pnpm chaos [--minutes M] [--seed S]`: a real stack whose processes and server are killed at random points under load.
 *
 * Afterwards no acknowledged command may be missing from the log, none may stand in it twice, the log has no
 * violation, and what the services answer is the fold of it. The seed chooses commands and victims; the operating
 * system chooses the rest.
 */
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { eventually, type Json, World } from "../e2e/world.ts";
import { Universe } from "../sim/universe.ts";

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "1" }, seed: { type: "string", default: "1" } },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
if (!(minutes > 0) || !Number.isInteger(seed)) {
  console.error("usage: chaos [--minutes M] [--seed S]: M above 0, S an integer");
  process.exit(2);
}

const CLIENTS = 4;
/** Commands each client has under way at once. */
const UNDER_WAY = 8;
const VMS = 200;
const REQUEST_TIMEOUT_MS = 2_000;
/** Between two kills, ms. */
const KILL_MS = { least: 400, most: 1_600 };
/** One kill in this many is of the server. */
const SERVER_SHARE = 8;
const VERBS = ["create", "start", "stop", "pause", "resume", "destroy", "create", "start"] as const;

interface Answer {
  readonly causeId: string;
  readonly changed: boolean;
}

class Chaos {
  readonly #world: World;
  readonly #choose = new Universe(seed);
  readonly #answers: Answer[] = [];
  readonly #until = Date.now() + minutes * 60_000;
  #sent = 0;
  #refused = 0;
  #retries = 0;
  #kills = 0;

  constructor(world: World) {
    this.#world = world;
  }

  async run(): Promise<string[]> {
    const startedAt = Date.now();
    const working = Array.from({ length: CLIENTS * UNDER_WAY }, () => this.#work());
    await Promise.all([...working, this.#kill()]);
    const seconds = (Date.now() - startedAt) / 1000;
    console.log(
      `${this.#sent} commands (${(this.#sent / seconds).toFixed(0)} per s), ${this.#answers.length} accepted, ${this.#refused} refused, ${this.#retries} retries, ${this.#kills} kills`,
    );
    return this.#check();
  }

  async #work(): Promise<void> {
    while (Date.now() < this.#until) {
      const verb = this.#choose.pick(VERBS);
      const vmId = `chaos-${this.#choose.between(1, VMS)}`;
      this.#sent += 1;
      await this.#insist(verb, vmId, `c${seed}-${this.#sent}`);
    }
  }

  /** Sends one command under one message id until it is answered for good. */
  async #insist(verb: (typeof VERBS)[number], vmId: string, id: string): Promise<void> {
    const subject = `bioxen.cmd.vm.${verb}`;
    const resources = { ribosomes: "5%", rnaPolymerases: 10, atpPerSecond: "5%", dnaKilobases: 50 };
    const payload = verb === "create" ? { vmId, biologicalType: "syn3a", resources } : { vmId };
    const headers = this.#world.headersOf({ "Nats-Msg-Id": id });
    for (;;) {
      const reply = await this.#world.nats
        .request(subject, JSON.stringify(payload), { timeout: REQUEST_TIMEOUT_MS, headers })
        .then((message) => message.json<Json>())
        .catch(() => ({ ok: false, error: { retryable: true } }));
      if (reply.ok) {
        this.#answers.push({ causeId: `${subject}:${id}`, changed: reply.changed });
        return;
      }
      if (!reply.error.retryable) {
        this.#refused += 1;
        return;
      }
      this.#retries += 1;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async #kill(): Promise<void> {
    while (Date.now() < this.#until) {
      await new Promise((resolve) => setTimeout(resolve, this.#choose.between(KILL_MS.least, KILL_MS.most)));
      const pid = await this.#victim();
      if (pid === null) continue;
      process.kill(pid, "SIGKILL");
      this.#kills += 1;
    }
  }

  async #victim(): Promise<number | null> {
    if (this.#choose.between(1, SERVER_SHARE) > 1) return this.#choose.pick(this.#world.stack.services()).pid;
    return (JSON.parse(await readFile(`${this.#world.dir}/data/stack.lock`, "utf8")) as Json).serverPid;
  }

  async #check(): Promise<string[]> {
    await eventually("every service serves again", async () =>
      this.#world.stack.services().every((service) => service.state === "ready") ? true : undefined,
    );
    await this.#rest();
    const problems: string[] = [];
    const verified = await this.#world.bioxenJson("events", "verify");
    for (const violation of verified.violations) problems.push(JSON.stringify(violation));
    const tail = await this.#world.bioxen("events", "tail", "--from", "1", "--no-follow", "--json");
    const causes = new Map<string, number>();
    for (const line of tail.stdout.trim().split("\n")) {
      const event: Json = JSON.parse(line);
      if (event.subject.startsWith("vm/"))
        causes.set(event.causationid, (causes.get(event.causationid) ?? 0) + 1);
    }
    for (const { causeId, changed } of this.#answers) {
      const count = causes.get(causeId) ?? 0;
      if (count !== (changed ? 1 : 0))
        problems.push(`${causeId} was acknowledged and stands ${count} times in the log`);
    }
    problems.push(...(await this.#compareWithFold()));
    console.log(`${verified.events} events, ${verified.violations.length} violations`);
    return problems;
  }

  /** What the services answer against the fold of the log, at a moment when nothing is appended. */
  #compareWithFold(): Promise<string[]> {
    return eventually("a moment without an event", async () => {
      const { events: before } = await this.#world.bioxenJson("events", "verify");
      const { vms } = await this.#world.bioxenJson("vm", "ls");
      const { ledgers } = await this.#world.bioxenJson("ledger", "show");
      const { events: after } = await this.#world.bioxenJson("events", "verify");
      if (after !== before) return undefined;
      const folded = await this.#world.bioxenJson("state", "--at", String(after));
      const alive = folded.vms.filter((vm: Json) => vm.state !== "destroyed");
      const problems: string[] = [];
      if (JSON.stringify(alive) !== JSON.stringify(vms))
        problems.push(`VMs differ: ${differing(alive, vms)}`);
      if (JSON.stringify(folded.ledgers) !== JSON.stringify(ledgers)) {
        problems.push(`ledgers differ: ${differing(folded.ledgers, ledgers)}`);
      }
      return problems;
    });
  }

  /** Nothing is on its way any more: the log has stopped growing. */
  async #rest(): Promise<void> {
    let last = -1;
    await eventually(
      "everything has come to rest",
      async () => {
        const { vms } = await this.#world.look("qry.vm.list", {});
        const moving = vms?.some((vm: Json) => vm.state === "starting" || vm.state === "stopping");
        const { events } = await this.#world.bioxenJson("events", "verify");
        const isStill = vms !== undefined && !moving && events === last;
        last = events;
        return isStill ? true : undefined;
      },
      120_000,
    );
  }
}

/** The first pair that differs, for a person. */
function differing(folded: readonly Json[], answered: readonly Json[]): string {
  const at = folded.findIndex((one, i) => JSON.stringify(one) !== JSON.stringify(answered[i]));
  return `${folded.length} and ${answered.length}, first ${JSON.stringify(folded[at])} and ${JSON.stringify(answered[at])}`;
}

const world = await World.open({ chassis: "ecoli:2,yeast:1", logLevel: "error" });
// The client goes on through every outage.
await world.reconnectForEver();
try {
  const problems = await new Chaos(world).run();
  for (const problem of problems.slice(0, 20)) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
} finally {
  await world.close();
}
