/**
 * Checks the lease token of a proposal against the tokens that were issued.
 *
 * A request names the token of the lease under which it was made, and any client can send such a request. The stored
 * record of the lease has the token that was issued last. The record is read only for a token that is newer than every
 * token known here. So the first proposal of a new lease holder costs one read, and later proposals cost no read.
 */
import { refuse } from "@bioxen/contracts";
import { type Clock, isPossibleToken, type Leases } from "@bioxen/kernel";

/** The lease under which schedulers propose. */
const PROPOSER_LEASE = "chassis-scheduler";

type Refusal = ReturnType<typeof refuse>;

export interface ProposerTokensPorts {
  readonly leases: Pick<Leases, "tokenOnRecord">;
  readonly clock: Clock;
  /** Returns the highest token in the ledgers that this instance knows; 0 when no ledger has recorded a token. */
  readonly newestRecorded: () => number;
}

export class ProposerTokens {
  readonly #ports: ProposerTokensPorts;
  /** The newest token that was read from the record of the lease; 0 before the first read. */
  #newestIssued = 0;

  constructor(ports: ProposerTokensPorts) {
    this.#ports = ports;
  }

  /** Returns the newest token that this instance knows from the ledgers or the lease's record; 0 without any token. */
  newest(): number {
    return Math.max(this.#newestIssued, this.#ports.newestRecorded());
  }

  /**
   * Returns why a proposal under this token is refused; undefined when the token was issued, or is older than an issued
   * token. The ledger itself refuses such an older token. Throws `Fault` UNAVAILABLE when the record of the lease is
   * unreachable.
   */
  async refusalOf(token: number | undefined): Promise<Refusal | undefined> {
    const newest = this.newest();
    if (newest > 0 && (token ?? 0) <= newest) return undefined;
    if (token !== undefined && !this.#isPossible(token)) return impossible(token);
    const onRecord = await this.#ports.leases.tokenOnRecord(PROPOSER_LEASE);
    // Any client can overwrite the record. A token on record that cannot have been issued is therefore ignored.
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
