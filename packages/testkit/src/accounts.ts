/**
 * The configuration of a test server with accounts: one for the services under test, one per principal, agent and other
 * service. The imports map the public subjects, so that the services know the caller of each request.
 */
import {
  COMMAND_PREFIX,
  type Identity,
  JOB_SUBJECTS,
  mappedSubject,
  QUERY_PREFIX,
  serviceAccount,
} from "@bioxen/contracts";

/** The user of a test server that may do everything in the account of the services. Its password is the same word. */
export const SERVICES = "services";

/** Returns the name of the account and user of a caller. The password of the user is the same word. */
export function userOf({ role, name }: Identity): string {
  return role === "service" ? serviceAccount(name) : `${role}-${name}`;
}

/** Returns the URL with which a user logs in. */
export function urlOf(port: number, user: string): string {
  return `nats://${user}:${user}@127.0.0.1:${port}`;
}

const REQUESTS = [`${COMMAND_PREFIX}>`, `${QUERY_PREFIX}>`, JOB_SUBJECTS];

/** Returns the lines of a server's configuration for these callers. */
export function accountsOf(callers: readonly Identity[]): string {
  const exports = callers.flatMap((caller) =>
    REQUESTS.map(
      (subject) => `{service: "${mappedSubject(caller, subject)}", accounts: ["${userOf(caller)}"]}`,
    ),
  );
  const accounts = callers.map((caller) => {
    const imports = REQUESTS.map((subject) => {
      const from = `service: {account: SERVICES, subject: "${mappedSubject(caller, subject)}"}`;
      return `{${from}, to: "${subject}", share: true}`;
    });
    return `"${userOf(caller)}": {
      users: [{user: "${userOf(caller)}", password: "${userOf(caller)}"}]
      imports: [${imports.join("\n        ")}]
    }`;
  });
  return `accounts {
    SERVICES: {
      jetstream: enabled
      users: [{user: ${SERVICES}, password: ${SERVICES}}]
      exports: [${exports.join("\n        ")}]
    }
    ${accounts.join("\n    ")}
  }
`;
}
