/**
 * Checks the lease token of a proposal against the tokens that were issued.
 *
 * A request says under which lease it was made, and any client can send one. The record of the lease says which token
 * was issued last. It is read only for a token that is newer than every one known here: a scheduler's first proposal
 * in its term costs one read, its later ones cost none.
 */
import { refuse } from "@bioxen/contracts";
import { type Clock, isPossibleToken, type Leases } from "@bioxen/kernel";

/** The lease under which schedulers propose. */
const PROPOSER_LEASE = "chassis-scheduler";

type Refusal = ReturnType<typeof refuse>;

export interface ProposerTokensPorts {
  readonly leases: Pick<Leases, "tokenOnRecord">;
  readonly clock: Clock;
  /** Returns the highest token that a ledger has recorded, as known here; 0 for none. */
  readonly newestRecorded: () => number;
}

export class ProposerTokens {
  readonly #ports: ProposerTokensPorts;
  /** The newest token that was read from the record of the lease; 0 before the first. */
  #newestIssued = 0;

  constructor(ports: ProposerTokensPorts) {
    this.#ports = ports;
  }

  /** Returns the newest token that is known here: recorded in a ledger, or on record for the lease; 0 for none. */
  newest(): number {
    return Math.max(this.#newestIssued, this.#ports.newestRecorded());
  }

  /**
   * Returns why a proposal under this token is refused; undefined when the token was issued, or is older than one that
   * was. The ledger refuses an older token. Throws `Fault` UNAVAILABLE when the record of the lease is unreachable.
   */
  async refusalOf(token: number | undefined): Promise<Refusal | undefined> {
    const newest = this.newest();
    if (newest > 0 && (token ?? 0) <= newest) return undefined;
    if (token !== undefined && !this.#isPossible(token)) return impossible(token);
    const onRecord = await this.#ports.leases.tokenOnRecord(PROPOSER_LEASE);
    // A record that any client has overwritten with an impossible token says nothing about the tokens before it.
    if (onRecord !== undefined && this.#isPossible(onRecord)) {
      this.#newestIssued = Math.max(this.#newestIssued, onRecord);
    }
    return token === undefined || token <= this.newest() ? undefined : neverIssued(token);
  }

  #isPossible(token: number): boolean {
    const newest = this.newest();
    return isPossibleToken(token, { nowMs: this.#ports.clock.nowMs(), newest });
  }
}

function impossible(token: number): Refusal {
  const message = `lease token ${token} is too far ahead of the clock: no lease was ever issued with it`;
  const problems = [{ path: "proposerToken", message: "is too far ahead of the clock" }];
  return refuse("BAD_REQUEST", message, { details: { problems } });
}

function neverIssued(token: number): Refusal {
  const message =
    `lease token ${token} is not on record for the lease ${PROPOSER_LEASE}: ` +
    "plan again under the present lease";
  return refuse("CONFLICT", message, { details: { proposerToken: token } });
}
