/**
 * Follows what xenstore says about the machine: which cell it is to run, with which allocation and environment.
 *
 * A machine keeps its memory when it is suspended, copied and resumed, while xenstore is filled again. Each read
 * therefore takes the whole identity, and a changed one counts like that of a new machine.
 */
import { messageOf } from "@bioxen/kernel";
import { DriverError } from "@bioxen/vm-driver";
import { type CellKeeper, isSameCell } from "./cell-keeper.ts";
import type { Applied } from "./held-cell.ts";
import {
  ALLOCATION_KEY,
  type CellIdentity,
  type CellSpec,
  ENVIRONMENT_KEY,
  identityKeyNames,
  identityOfKeys,
} from "./protocol.ts";
import type { Xenstore } from "./xenstore.ts";

export class MachineIdentity {
  readonly #xenstore: Xenstore;
  readonly #keeper: CellKeeper;
  #identity: CellIdentity | undefined;
  #seen: Applied = {};
  #trouble: string | undefined;
  #hasTriedStored = false;

  constructor(xenstore: Xenstore, keeper: CellKeeper) {
    this.#xenstore = xenstore;
    this.#keeper = keeper;
  }

  /** The identity of the last successful read; undefined before it. */
  get identity(): CellIdentity | undefined {
    return this.#identity;
  }

  /** The texts of allocation and environment at the last read. */
  get seen(): Applied {
    return this.#seen;
  }

  /** Why the last read led to no living cell; undefined if it did. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Reads xenstore once and acts on it. Does not reject: a failure is {@link trouble} until the next read. */
  async follow(): Promise<void> {
    try {
      this.#trouble = await this.#follow();
    } catch (error) {
      this.#trouble = messageOf(error);
    }
  }

  /**
   * Throws `BAD_REQUEST` if xenstore names another VM or another incarnation. A driver that reached the wrong machine
   * must not replace its cell.
   */
  requireIdentity(vmId: string, incarnation: number): void {
    const own = this.#identity;
    if (own === undefined || (own.vmId === vmId && own.incarnation === incarnation)) return;
    throw new DriverError(
      "BAD_REQUEST",
      `this machine is that of "${own.vmId}" (incarnation ${own.incarnation}), not of "${vmId}" (${incarnation})`,
    );
  }

  async #follow(): Promise<string | undefined> {
    if (!this.#xenstore.isPresent()) {
      await this.#continueOnce(undefined);
      return this.#keeper.cell === undefined ? "no xenstore tools: waiting for the request boot" : undefined;
    }
    // Each call is a process, so a machine without an identity reads one key.
    const first = await this.#xenstore.read(identityKeyNames.slice(0, 1));
    if (first.trouble !== undefined) return `no identity in xenstore: ${first.trouble}`;
    const { values, trouble } = await this.#xenstore.read(identityKeyNames);
    const identity = identityOfKeys(values);
    if (identity === undefined) return `no identity in xenstore: ${trouble}`;
    this.#identity = identity;
    this.#seen = { allocation: values[ALLOCATION_KEY], environment: values[ENVIRONMENT_KEY] };
    await this.#continueOnce(identity);
    if (identity.boot === "xenstore") await this.#boot(identity);
    const cell = this.#keeper.cell;
    if (cell === undefined) return "waiting for the request boot";
    if (!isSameCell(identity, cell.spec))
      return "the cell is not that of xenstore: waiting for the request boot";
    await this.#applyChanges(identity);
    return undefined;
  }

  async #continueOnce(identity: CellIdentity | undefined): Promise<void> {
    if (this.#hasTriedStored) return;
    if (this.#keeper.cell === undefined) await this.#keeper.continueStored(identity);
    this.#hasTriedStored = true;
  }

  async #boot(identity: CellIdentity): Promise<void> {
    const held = this.#keeper.cell?.spec;
    if (held !== undefined && !isNewer(identity, held)) return;
    await this.#keeper.boot({ spec: specOf(identity), timeScale: identity.timeScale, applied: this.#seen });
  }

  async #applyChanges({ allocation, environment }: CellIdentity): Promise<void> {
    const seen = this.#seen;
    const applied = this.#keeper.cell?.applied ?? {};
    if (seen.allocation === applied.allocation && seen.environment === applied.environment) return;
    await this.#keeper.alter(async (cell) => {
      if (seen.allocation !== undefined && seen.allocation !== applied.allocation)
        await cell.resize(allocation);
      if (seen.environment !== undefined && seen.environment !== applied.environment) {
        await cell.setEnvironment(environment);
      }
      cell.applied = seen;
    });
  }
}

/**
 * Returns whether the identity is that of a newer start than the cell's. A request can have brought a newer one than
 * xenstore has.
 */
function isNewer(identity: CellIdentity, held: CellSpec): boolean {
  if (identity.vmId !== held.vmId || identity.incarnation > held.incarnation) return true;
  const isSameIncarnation = identity.incarnation === held.incarnation;
  return isSameIncarnation && (identity.fence > held.fence || identity.restores > (held.restores ?? 0));
}

function specOf({ timeScale: _, boot: __, ...spec }: CellIdentity): CellSpec {
  return spec;
}
