/**
 * The accounts of a nats-server, as data: users, exports, and imports.
 *
 * An account is a space of subjects of its own. A subject crosses into another account only by an import, and an import
 * needs an export. The permissions of a user follow from the imports of its account, so that a subject that is not
 * imported is refused with an error instead of having no receiver.
 */

/** A subject that the users of an account may call or hear in another account. */
export interface Import {
  readonly kind: "service" | "stream";
  readonly account: string;
  /** The subject in the exporting account. */
  readonly subject: string;
  /** The subject in the importing account. */
  readonly local: string;
  /** True when the server tells the exporting account which user calls. */
  readonly share: boolean;
  /** True when only the server itself uses the import, so that no user may. */
  readonly forServer: boolean;
}

interface Export {
  readonly kind: "service" | "stream";
  readonly subject: string;
  readonly accounts: Set<string>;
  /** True when one request has several answers. */
  readonly manyAnswers: boolean;
}

export interface User {
  /** Shown in the configuration as a comment. */
  readonly name: string;
  readonly login: { readonly publicKey: string } | { readonly user: string; readonly password: string };
  /** Also over WebSocket. Default: TCP only. */
  readonly webSocket?: boolean;
}

/** Limits of an account, which protect the server from its users. */
export interface AccountLimits {
  readonly maxConnections: number;
  readonly maxSubscriptions: number;
  readonly maxPayloadBytes: number;
}

/** Limits of an account that holds streams; -1 is no limit. */
export interface StorageLimits {
  readonly maxStreams: number;
  readonly maxConsumers: number;
}

export interface AccountOptions {
  readonly name: string;
  readonly limits?: AccountLimits;
  readonly storage?: StorageLimits;
}

export interface ImportOptions {
  /** The subject in the importing account; default: the same. */
  readonly local?: string;
  /** The pattern by which the subject is exported; default: the subject itself. */
  readonly exportedAs?: string;
  readonly share?: boolean;
  readonly manyAnswers?: boolean;
  readonly forServer?: boolean;
}

export class Account {
  readonly options: AccountOptions;
  readonly users: User[] = [];
  readonly imports: Import[] = [];
  /** Subjects that users publish inside of the account: telemetry that other accounts import. */
  readonly sends: string[] = [];
  /** Subjects of requests that users answer. */
  readonly serves: string[] = [];
  /** Patterns that users may subscribe to, although only a part of what they match is imported. */
  readonly hears: string[] = [];
  readonly #exports = new Map<string, Export>();

  constructor(options: AccountOptions) {
    this.options = options;
  }

  get name(): string {
    return this.options.name;
  }

  /** True for an account that nothing crosses: its users may do everything in it. */
  get isUnrestricted(): boolean {
    return this.imports.length === 0 && this.sends.length === 0 && this.#exports.size === 0;
  }

  get exports(): readonly Export[] {
    return [...this.#exports.values()];
  }

  /** Lets the users of this account call a service of `from` on `subject`. */
  importService(from: Account, subject: string, options: ImportOptions = {}): void {
    this.#import("service", from, subject, options);
  }

  /** Lets the users of this account hear what is published in `from` on `subject`. */
  importStream(from: Account, subject: string, options: ImportOptions = {}): void {
    this.#import("stream", from, subject, options);
  }

  #import(kind: Import["kind"], from: Account, subject: string, options: ImportOptions): void {
    const { local = subject, exportedAs = subject, share = false, manyAnswers = false } = options;
    const { forServer = false } = options;
    this.imports.push({ kind, account: from.name, subject, local, share, forServer });
    const key = `${kind} ${exportedAs}`;
    const present = from.#exports.get(key) ?? { kind, subject: exportedAs, accounts: new Set(), manyAnswers };
    present.accounts.add(this.name);
    from.#exports.set(key, present);
  }

  /** The subjects that a user of this account may publish on, without replies. */
  get publishes(): readonly string[] {
    return [...new Set([...this.#forUsers("service"), ...this.sends])];
  }

  /** The subjects that a user of this account may subscribe to. */
  get subscribes(): readonly string[] {
    return [...new Set(["_INBOX.>", ...this.serves, ...this.hears, ...this.#forUsers("stream")])];
  }

  #forUsers(kind: Import["kind"]): string[] {
    return this.imports.filter((one) => one.kind === kind && !one.forServer).map(({ local }) => local);
  }
}
