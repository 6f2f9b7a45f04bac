/**
 * The part of a nats-server's configuration that says who may do what, generated from the catalogue and the keys.
 */
import type { Account } from "./account.ts";
import { emptyAccounts } from "./accounts.ts";
import { connectGateway } from "./gateway-imports.ts";
import type { KeyRing } from "./key-ring.ts";
import { connectPrincipals } from "./principal-imports.ts";
import { connectProvisioners } from "./provisioning.ts";
import { renderAccounts } from "./render.ts";
import { connectAgents, connectServices } from "./service-imports.ts";

export interface AccountSet {
  readonly accounts: readonly Account[];
  readonly system: Account;
}

/** Returns all accounts with their imports and exports. */
export function accountsFor(ring: KeyRing): AccountSet {
  const accounts = emptyAccounts(ring);
  connectProvisioners(accounts);
  connectServices(accounts);
  connectAgents(accounts);
  connectPrincipals(accounts);
  connectGateway(accounts);
  const { log, feed, system, services, agents, principals, gateway } = accounts;
  const inOrder = [log, feed, ...services.values()];
  const others = [...agents, ...principals].map(({ account }) => account);
  const ofGateway = gateway === undefined ? [] : [gateway];
  return { accounts: [...inOrder, ...others, ...ofGateway, system], system };
}

/** Returns the accounts as lines of a server's configuration. Equal key rings give equal text. */
export function accountsConfig(ring: KeyRing): string {
  const { accounts, system } = accountsFor(ring);
  return renderAccounts(accounts, system);
}
