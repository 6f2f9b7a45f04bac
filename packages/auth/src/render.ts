/**
 * Writes accounts as configuration of nats-server. Equal accounts give equal text.
 */
import type { Account, Import, User } from "./account.ts";

const quoted = (text: string): string => JSON.stringify(text);
const list = (texts: readonly string[]): string => `[${texts.map(quoted).join(", ")}]`;

/**
 * Time within which a service may answer a request, and number of its answers. The longest call is an exec of 60 s with
 * its margin.
 */
const RESPONSES = '{ max: 1, expires: "2m" }';

/**
 * Subjects of answers to requests from other accounts; the server makes each one up for one request. A reload of the
 * configuration forgets for which requests a user may answer, so that this permission keeps the answers to requests that
 * are under way. They reach only callers of the account's own services.
 */
const ANSWERS = "_R_.>";

/** Returns the lines of a server's configuration for these accounts. `system` is the account of the server's own API. */
export function renderAccounts(accounts: readonly Account[], system: Account): string {
  const blocks = accounts.map((account) => renderAccount(account));
  return `accounts {\n${blocks.join("\n")}\n}\nsystem_account: ${quoted(system.name)}\n`;
}

function renderAccount(account: Account): string {
  const { name, limits, storage } = account.options;
  const parts = [`  ${quoted(name)}: {`];
  if (storage !== undefined) {
    parts.push(
      `    jetstream: { max_streams: ${storage.maxStreams}, max_consumers: ${storage.maxConsumers} }`,
    );
  }
  if (limits !== undefined) {
    const { maxConnections, maxSubscriptions, maxPayloadBytes } = limits;
    parts.push(
      `    limits: { max_connections: ${maxConnections}, max_subscriptions: ${maxSubscriptions}, max_payload: ${maxPayloadBytes} }`,
    );
  }
  parts.push(
    ...block(
      "users",
      account.users.map((user) => renderUser(user, account)),
    ),
  );
  parts.push(...block("imports", account.imports.map(renderImport)));
  parts.push(...block("exports", account.exports.map(renderExport)));
  return [...parts, "  }"].join("\n");
}

function block(name: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`    ${name}: [`, ...lines.map((line) => `      ${line}`), "    ]"];
}

function renderUser({ login, webSocket = false }: User, account: Account): string {
  const identity =
    "publicKey" in login
      ? `nkey: ${login.publicKey}`
      : `user: ${quoted(login.user)}, password: ${quoted(login.password)}`;
  const types = webSocket ? ["STANDARD", "WEBSOCKET"] : ["STANDARD"];
  const isServing = account.serves.length > 0;
  const responses = isServing ? `, allow_responses: ${RESPONSES}` : "";
  const publishes = isServing ? [...account.publishes, ANSWERS] : account.publishes;
  // An account without exports and imports is unrestricted: only the account of the server's own API is such a one.
  const permissions = account.isUnrestricted
    ? ""
    : `, permissions: { publish: { allow: ${list(publishes)} }, subscribe: { allow: ${list(account.subscribes)} }${responses} }`;
  return `{ ${identity}, allowed_connection_types: ${list(types)}${permissions} }`;
}

function renderImport({ kind, account, subject, local, share }: Import): string {
  const to = local === subject ? "" : `, to: ${quoted(local)}`;
  const shared = share ? ", share: true" : "";
  return `{ ${kind}: { account: ${quoted(account)}, subject: ${quoted(subject)} }${to}${shared} }`;
}

function renderExport({ kind, subject, accounts, manyAnswers }: Account["exports"][number]): string {
  const answers = manyAnswers ? ", response_type: stream" : "";
  return `{ ${kind}: ${quoted(subject)}${answers}, accounts: ${list([...accounts].sort())} }`;
}
