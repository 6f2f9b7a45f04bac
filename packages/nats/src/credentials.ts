/**
 * Credentials of a file: an nkey seed, or a `.creds` file with a user's JWT and its seed.
 *
 * A file is read again for every connection, so that a login can be changed while a process runs. An unreadable or
 * half-written file must not end a running process, so the last good credentials stay in use meanwhile.
 */
import { type Auth, jwtAuthenticator, nkeyAuthenticator, nkeys } from "@nats-io/nats-core";

export interface Credentials {
  /** How messages name the login: the user's name, if the file has one, and its public key. */
  readonly user: string;
  /** Instant from which the server refuses the JWT, epoch ms; undefined when it has no end. */
  readonly expiresAtMs: number | undefined;
  /** Answers the server's challenge. */
  readonly authenticate: (nonce?: string) => Auth;
}

/** Matches the seed of any kind of nkey. Only the seed of a user is valid for a login. */
const SEED = /(?<![A-Z2-7])S[A-Z][A-Z2-7]{56}(?![A-Z2-7])/;
const JWT = /^[\w-]+\.([\w-]+)\.[\w-]+$/m;
const MS_PER_SECOND = 1_000;

/**
 * Returns true when the text looks like a credential, and not like the path of a credentials file. A text in doubt
 * counts as a credential, because output never shows a credential.
 */
export function isSecretText(text: string): boolean {
  const trimmed = text.trim();
  return trimmed.includes("-----") || trimmed.includes("\n") || /^S[A-Za-z0-9]{40,}$/.test(trimmed);
}

/** Returns the path of a file for output. For a secret in place of a path, returns a text that hides the secret. */
export function shownPath(path: string): string {
  return isSecretText(path) ? "(a secret instead of a path)" : path;
}

/** Parses the content of a credentials file. Throws an `Error` whose message says what is wrong, and quotes nothing. */
export function parseCredentials(text: string): Credentials {
  const seed = SEED.exec(text)?.[0];
  const jwt = JWT.exec(text);
  if (seed === undefined) {
    throw new Error("has no nkey seed of a user: it must be a .creds file, or a file with a seed (SU…)");
  }
  if (!seed.startsWith("SU"))
    throw new Error("has an nkey seed, but not that of a user, which begins with SU");
  const bytes = new TextEncoder().encode(seed);
  const publicKey = publicKeyOf(bytes);
  if (jwt === null) {
    return { user: publicKey, expiresAtMs: undefined, authenticate: nkeyAuthenticator(bytes) };
  }
  const { sub, name, exp } = claimsOf(jwt[1] ?? "");
  if (sub !== publicKey) throw new Error("has a JWT and a seed of different users");
  return {
    user: name === undefined ? publicKey : `${name} (${publicKey})`,
    expiresAtMs: exp === undefined ? undefined : exp * MS_PER_SECOND,
    authenticate: jwtAuthenticator(jwt[0], bytes),
  };
}

function publicKeyOf(seed: Uint8Array): string {
  try {
    return nkeys.fromSeed(seed).getPublicKey();
  } catch {
    throw new Error("has a damaged nkey seed");
  }
}

interface Claims {
  readonly sub: string | undefined;
  readonly name: string | undefined;
  readonly exp: number | undefined;
}

function claimsOf(part: string): Claims {
  try {
    const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (c) =>
      c.charCodeAt(0),
    );
    const { sub, name, exp } = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    return {
      sub: typeof sub === "string" ? sub : undefined,
      name: typeof name === "string" && name !== "" ? name : undefined,
      exp: typeof exp === "number" && exp > 0 ? exp : undefined,
    };
  } catch {
    throw new Error("has a damaged JWT");
  }
}

/** The credentials of one setting. They can be read again at any time, and may have changed by then. */
export class CredentialSource {
  readonly #read: () => string;
  #text: string;
  #last: Credentials;

  /** Reads the credentials. Throws an `Error` when that fails: the message says why, and shows no content. */
  constructor(read: () => string) {
    this.#read = read;
    this.#text = read();
    this.#last = parseCredentials(this.#text);
  }

  /** The credentials that were read last. */
  get last(): Credentials {
    return this.#last;
  }

  /** True when valid credentials can be read that differ from those that were read last. */
  get hasChanged(): boolean {
    try {
      const text = this.#read();
      if (text === this.#text) return false;
      parseCredentials(text);
      return true;
    } catch {
      return false;
    }
  }

  /** Reads the credentials again and returns them; when that fails, the last valid credentials. Never throws. */
  current(): Credentials {
    try {
      const text = this.#read();
      this.#last = parseCredentials(text);
      this.#text = text;
    } catch {
      // The file may be half-written. If the server refuses the old credentials, the next attempt reads the file again.
    }
    return this.#last;
  }
}
