/**
 * Everything that logs in to the server of a BioXen, with public keys only.
 */
import type { PrincipalRole, ServiceName } from "@bioxen/contracts";

export interface Principal {
  /** Id of the principal. Mapped subjects have it as one token. */
  readonly name: string;
  readonly role: PrincipalRole;
  readonly publicKey: string;
  /** For clients without nkeys: the password of the user with this name. Default: no such user. */
  readonly password?: string | undefined;
}

/** Public keys by service. */
export type ServiceKeys = Readonly<Partial<Record<ServiceName, string>>>;

/** The public nkeys of all users. */
export interface KeyRing {
  /** Reload, connections and statistics of the server. */
  readonly system: string;
  /** Creates the streams and buckets. */
  readonly provisioner: string;
  /** Creates the mirror of the event log. */
  readonly feed: string;
  readonly services: ServiceKeys;
  /** Speaks in the names of principals. Default: there is no gateway. */
  readonly gateway?: string | undefined;
  /** Keys that are in force beside those of `services`, while these are replaced. Default: none. */
  readonly otherServices?: ServiceKeys | undefined;
  /** Key that is in force beside `gateway`, while that is replaced. Default: none. */
  readonly otherGateway?: string | undefined;
  /** By the id of the agent. */
  readonly agents: Readonly<Record<string, string>>;
  /** Keys that are in force beside those of `agents`, while these are replaced. Default: none. */
  readonly otherAgents?: Readonly<Record<string, string>> | undefined;
  readonly principals: readonly Principal[];
}
