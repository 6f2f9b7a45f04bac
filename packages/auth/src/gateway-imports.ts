/**
 * What the account of the gateway imports: it calls every public endpoint in the name of principals, and reads what these
 * may read.
 *
 * The gateway cannot speak as itself. Each import has a role in its subject, so the server holds the gateway to what each
 * role may call, and a service reads from the subject that the gateway speaks (`via`). No principal has these subjects.
 */
import {
  accessOf,
  ENDPOINTS,
  type Endpoint,
  FEED_STREAM,
  feedSubjects,
  GATEWAY,
  isJobCommand,
  jobSubject,
  mappedSubject,
  PRINCIPAL_ROLES,
  type PrincipalRole,
} from "@bioxen/contracts";
import type { Account } from "./account.ts";
import type { Accounts } from "./accounts.ts";
import { readEverything } from "./principal-imports.ts";
import { endpointAccount, feedAccount, importStorage } from "./service-imports.ts";
import { follow } from "./stream-api.ts";

export function connectGateway(accounts: Accounts): void {
  const { gateway, feed } = accounts;
  if (gateway === undefined) return;
  for (const role of PRINCIPAL_ROLES) {
    for (const endpoint of Object.values<Endpoint>(ENDPOINTS)) {
      if (accessOf(role, endpoint) !== "none") call(accounts, gateway, role, endpoint);
    }
  }
  readEverything(accounts, gateway);
  importStorage(gateway, feed, follow(FEED_STREAM));
  const { telemetry, log } = feedSubjects("*", "*");
  for (const subject of [telemetry, log]) {
    gateway.importStream(feedAccount(accounts), subject);
  }
}

function call(accounts: Accounts, gateway: Account, role: PrincipalRole, endpoint: Endpoint): void {
  const anyone = { role, name: "*", via: GATEWAY } as const;
  const exportedAs = mappedSubject(anyone, "bioxen.>");
  const owner = endpointAccount(accounts, endpoint);
  gateway.importService(owner, mappedSubject(anyone, endpoint.subject), { exportedAs, share: true });
  if (!isJobCommand(endpoint.subject)) return;
  const job = mappedSubject(anyone, jobSubject(endpoint.subject));
  gateway.importService(role === "tenant" ? owner : accounts.log, job, { exportedAs, share: true });
}
