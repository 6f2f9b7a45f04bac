/**
 * Owners: an operator who gives VMs to tenants, and limits what the VMs of a tenant hold together. A VM that changes its
 * owner also changes the quota that it is charged to; {@link Folds.checkRest} compares all charges with what VMs hold.
 */
import { ENDPOINTS } from "@bioxen/contracts";
import { Fault } from "@bioxen/kernel";
import type { Clients } from "./clients.ts";
import type { Cluster } from "./cluster.ts";
import { Universe } from "./universe.ts";

/** A run has owners with this probability. */
const CHANCE = 0.3;
const COMMANDS = { least: 10, most: 40 };
/** The commands come within this time from the start, ms: while VMs are created, started, moved and destroyed. */
const SPAN_MS = 40_000;
const TENANTS = ["alice", "bob"];
const VMS = 8;
/** Limits of ribosomes: for no VM, one, or several; null: no limit. */
const LIMITS = [0, 11_178, 30_000, null];
const TIMEOUT_MS = 3_000;

export interface OwnersPlan {
  readonly commands: number;
}

/** What must have happened in 200 runs. */
export const OWNER_PROBES: readonly string[] = ["answered vmTransfer", "answered quotaSet of an owner"];

/** Returns the plan of a run; undefined for most runs. */
export function ownersPlan(chance: Universe): OwnersPlan | undefined {
  if (!chance.chance(CHANCE)) return undefined;
  return { commands: chance.between(COMMANDS.least, COMMANDS.most) };
}

export function ownersInWords({ commands }: OwnersPlan): string {
  return `owners: ${commands} transfers and quotas of owners`;
}

export class OwnerChanges {
  readonly #cluster: Cluster;
  readonly #clients: Clients;
  readonly #plan: OwnersPlan;
  readonly #chance: Universe;

  constructor(cluster: Cluster, clients: Clients, plan: OwnersPlan) {
    this.#cluster = cluster;
    this.#clients = clients;
    this.#plan = plan;
    this.#chance = new Universe(cluster.universe.seed ^ 0x165667b1);
  }

  begin(): void {
    for (let i = 0; i < this.#plan.commands; i += 1) {
      this.#cluster.universe.after(this.#chance.between(0, SPAN_MS), () => void this.#insist(i));
    }
  }

  /** Sends one command under one message id until it is answered. */
  async #insist(number: number): Promise<void> {
    const { bus, faults, universe, onBug } = this.#cluster;
    const isTransfer = this.#chance.chance(0.75);
    const owner = this.#chance.pick(TENANTS);
    const vmId = `vm-${this.#chance.between(1, VMS)}`;
    const ribosomes = this.#chance.pick(LIMITS);
    const resources = ribosomes === null ? {} : { ribosomes };
    const { subject } = isTransfer ? ENDPOINTS.vmTransfer : ENDPOINTS.quotaSet;
    const payload = isTransfer ? { vmId, owner } : { owner, resources };
    const messageId = `owner-${number}`;
    this.#clients.open += 1;
    for (;;) {
      try {
        const reply = await bus.call(subject, payload, { timeoutMs: TIMEOUT_MS, messageId });
        if (reply.ok || !["UNAVAILABLE", "CONFLICT"].includes(reply.error.code)) {
          if (reply.ok && reply["changed"] === true && isTransfer)
            this.#clients.acknowledged.push({ causeId: `${subject}:${messageId}`, vmId });
          if (reply.ok) faults.count(isTransfer ? "answered vmTransfer" : "answered quotaSet of an owner");
          break;
        }
      } catch (thrown) {
        if (!(thrown instanceof Fault)) {
          onBug(thrown);
          break;
        }
      }
      await universe.delay(this.#chance.between(10, 500));
    }
    this.#clients.open -= 1;
  }
}
