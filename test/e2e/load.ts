/**
 * Commands and queries without a break, for tests that replace processes meanwhile.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { InsistingClient } from "./insisting-client.ts";
import type { Json } from "./json.ts";

/** Pause between two requests of one client, ms: a steady load that leaves room for starting processes. */
const PACE_MS = 25;

/** Clients that live VMs, look at the fleet and list it, until they are stopped. */
export class Load {
  readonly failed: Json[] = [];
  /** The VMs whose whole life was acknowledged. */
  readonly lived: string[] = [];
  /** Number of answered queries, and of whole listings. */
  queries = 0;
  listings = 0;
  readonly #client: InsistingClient;
  readonly #listed: readonly string[];
  readonly #clients: Promise<void>[];
  #stopped = false;

  /**
   * `name` is the beginning of the ids of its VMs. `listed` are the VMs with the label `kept`, in order of id: each listing
   * must show these.
   */
  constructor(client: InsistingClient, name: string, listed: readonly string[]) {
    this.#client = client;
    this.#listed = listed;
    this.#clients = [this.#live(`${name}-a`), this.#live(`${name}-b`), this.#look(), this.#list()];
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#clients);
  }

  async #command(verb: string, payload: { vmId: string; biologicalType?: string }): Promise<boolean> {
    const reply = await this.#client.ask(`cmd.vm.${verb}`, payload, `${verb} ${payload.vmId}`);
    await sleep(PACE_MS);
    // No command is given twice, so each one must change something: once, however often it was asked.
    if (reply.ok === true && reply.changed === true) return true;
    this.failed.push({ verb, ...payload, reply });
    return false;
  }

  async #live(name: string): Promise<void> {
    for (let i = 0; !this.#stopped; i += 1) {
      const vmId = `${name}-${i}`;
      const verbs = i % 4 === 0 ? ["start", "stop", "destroy"] : ["destroy"];
      let isWell = await this.#command("create", { vmId, biologicalType: "syn3a" });
      for (const verb of verbs) isWell = (await this.#command(verb, { vmId })) && isWell;
      if (isWell) this.lived.push(vmId);
    }
  }

  async #look(): Promise<void> {
    const queries: [string, object][] = [
      ["vm.get", { vmId: "kept-1" }],
      ["vm.list", {}],
      ["vm.history", { vmId: "kept-1" }],
      ["chassis.list", {}],
      ["ledger.list", {}],
      ["quota.get", { label: "team=red" }],
      ["placement.plan", { biologicalType: "syn3a" }],
      ["placement.explain", { vmId: "kept-1" }],
      ["monitor.fleet", {}],
      ["alert.list", {}],
    ];
    for (; !this.#stopped; this.queries += 1) {
      const [subject, payload] = queries[this.queries % queries.length] as [string, object];
      const reply = await this.#client.ask(`qry.${subject}`, payload);
      if (reply.ok !== true) this.failed.push({ subject, reply });
      await sleep(PACE_MS);
    }
  }

  /** Lists the kept VMs in pages of one: each page may come from an instance of another release. */
  async #list(): Promise<void> {
    for (; !this.#stopped; this.listings += 1) {
      const listed: string[] = [];
      let cursor: string | null = null;
      do {
        const after: object = cursor === null ? {} : { cursor };
        const reply: Json = await this.#client.ask("qry.vm.list", { label: "kept", limit: 1, ...after });
        listed.push(...(reply.vms ?? []).map((vm: Json) => vm.vmId));
        cursor = reply.cursor ?? null;
        if (reply.ok !== true) this.failed.push({ listing: listed, reply });
      } while (cursor !== null && listed.length <= this.#listed.length);
      if (listed.join() !== this.#listed.join()) this.failed.push({ listed });
      await sleep(PACE_MS);
    }
  }
}
