/**
 * Who sends a request over HTTP.
 *
 * With keys, a caller is the principal of a bearer token, or of a session that began with a one-time code. Token and
 * session hold as long as the principal has the key that it had when they were made: `auth revoke` and `auth rotate` end
 * both. On an open stack every caller is anonymous, as on NATS.
 */
import { createHash, randomBytes } from "node:crypto";
import { ANONYMOUS, type Identity, type PrincipalRole } from "@bioxen/contracts";
import { unknownCaller } from "./http-error.ts";

export interface KnownPrincipal {
  readonly role: PrincipalRole;
  readonly publicKey: string;
}

export interface Grant {
  readonly name: string;
  /** The key of the principal at the time of the grant. */
  readonly publicKey: string;
  /** Epoch ms. */
  readonly expiresAtMs: number;
}

/** The principals of a BioXen with keys, their tokens and their one-time codes. */
export interface Principals {
  /** Returns a principal as it is now; undefined for one that does not exist, or was revoked. */
  find(name: string): KnownPrincipal | undefined;
  /** Returns the token with this SHA-256. */
  tokenOf(digest: string): Grant | undefined;
  /** Uses a one-time code up, and returns what it grants; undefined for a code that does not exist any more. */
  takeCode(digest: string): Promise<Grant | undefined>;
}

/** The caller of a request. A stream asks {@link isAllowed} as long as it lasts. */
export interface Caller {
  readonly identity: Identity;
  /** How the request says who sends it: a cookie is sent by browsers without being asked. */
  readonly by: "token" | "session" | "nothing";
  readonly isAllowed: () => boolean;
}

/** Time without a request after which a session ends, ms: a working day. */
const SESSION_MS = 12 * 3_600_000;
/** Sessions at the same time; the oldest ends for a new one. */
const MAX_SESSIONS = 1_024;
/** Size of the id of a session, bytes: it cannot be guessed. */
const SESSION_BYTES = 32;
const BEARER = /^bearer +(\S+) *$/i;

export function digestOf(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

export class Callers {
  /** Undefined: an open stack. */
  readonly #principals: Principals | undefined;
  readonly #nowMs: () => number;
  /** By the digest of their ids, in the order of their last use. */
  readonly #sessions = new Map<string, Grant>();

  constructor(principals: Principals | undefined, nowMs: () => number) {
    this.#principals = principals;
    this.#nowMs = nowMs;
  }

  get hasKeys(): boolean {
    return this.#principals !== undefined;
  }

  /** Returns the caller. Throws `HttpError` 401 for a caller that is not known. */
  callerOf(authorization: string | undefined, sessionId: string | undefined): Caller {
    if (this.#principals === undefined) return { identity: ANONYMOUS, by: "nothing", isAllowed: () => true };
    if (authorization !== undefined) return this.#byToken(BEARER.exec(authorization)?.[1] ?? "");
    if (sessionId === undefined) throw unknownCaller("log in: send a bearer token, or open the console");
    return this.#bySession(digestOf(sessionId));
  }

  /** Begins a session with a one-time code, and returns its id. Throws `HttpError` 401 for any other code. */
  async logIn(code: string): Promise<string> {
    const grant = await this.#principals?.takeCode(digestOf(code));
    if (grant === undefined || this.#identityOf(grant) === undefined) {
      throw unknownCaller("the code was used before or is too old: get another one with bioxen console");
    }
    const id = randomBytes(SESSION_BYTES).toString("base64url");
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size >= MAX_SESSIONS && oldest !== undefined) this.#sessions.delete(oldest);
    this.#sessions.set(digestOf(id), { ...grant, expiresAtMs: this.#nowMs() + SESSION_MS });
    return id;
  }

  logOut(sessionId: string): void {
    this.#sessions.delete(digestOf(sessionId));
  }

  #byToken(token: string): Caller {
    const digest = digestOf(token);
    const identity = this.#identityOf(this.#principals?.tokenOf(digest));
    if (identity === undefined) throw unknownCaller("the token is not known, was revoked or has expired");
    const isAllowed = () => this.#identityOf(this.#principals?.tokenOf(digest)) !== undefined;
    return { identity, by: "token", isAllowed };
  }

  #bySession(digest: string): Caller {
    const session = this.#sessions.get(digest);
    const identity = this.#identityOf(session);
    this.#sessions.delete(digest);
    if (session === undefined || identity === undefined) {
      throw unknownCaller("the session has ended: open the console again with bioxen console");
    }
    this.#sessions.set(digest, { ...session, expiresAtMs: this.#nowMs() + SESSION_MS });
    const isAllowed = () => this.#identityOf(this.#sessions.get(digest)) !== undefined;
    return { identity, by: "session", isAllowed };
  }

  /** Returns the principal of a grant; undefined for one that holds no more. */
  #identityOf(grant: Grant | undefined): Identity | undefined {
    if (grant === undefined || grant.expiresAtMs <= this.#nowMs()) return undefined;
    const principal = this.#principals?.find(grant.name);
    if (principal === undefined || principal.publicKey !== grant.publicKey) return undefined;
    return { role: principal.role, name: grant.name };
  }
}
