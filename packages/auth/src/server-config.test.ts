import { CORE_SERVICES } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import type { KeyRing } from "./key-ring.ts";
import { accountsConfig, accountsFor } from "./server-config.ts";
import { covers } from "./subject-patterns.ts";

const principals = [
  { name: "admin", role: "admin", publicKey: "UADMIN", password: 'a "quote"' },
  { name: "alice", role: "tenant", publicKey: "UALICE" },
  { name: "otto", role: "observer", publicKey: "UOTTO" },
] as const;
const RING: KeyRing = {
  system: "USYSTEM",
  provisioner: "UPROVISIONER",
  feed: "UFEED",
  services: Object.fromEntries(CORE_SERVICES.map((name) => [name, `U${name}`])),
  agents: { local: "ULOCAL", far: "UFAR" },
  principals,
};

describe("the configuration", () => {
  it("is the same text for the same keys, in whatever order they are listed", () => {
    const other = { ...RING, agents: { far: "UFAR", local: "ULOCAL" }, principals: principals.toReversed() };
    expect(accountsConfig(other)).toBe(accountsConfig(RING));
  });

  it("limits every user but that of the server's own API by permissions", () => {
    const users = accountsConfig(RING)
      .split("\n")
      .filter((line) => /\{ (?:nkey|user): /.test(line));
    expect(users).toHaveLength(3 + CORE_SERVICES.length + 2 + 3 + 1);
    const unlimited = users.filter((line) => !line.includes("permissions:"));
    expect(unlimited).toEqual([expect.stringContaining("USYSTEM")]);
  });

  it("has a default of nothing: no user without a login, and no account without a user", () => {
    const text = accountsConfig(RING);
    expect(text).not.toContain("no_auth_user");
    expect(accountsFor(RING).accounts.filter(({ users }) => users.length === 0)).toEqual([]);
    expect(text).toContain('password: "a \\"quote\\""');
  });
});

describe("the accounts", () => {
  const { accounts } = accountsFor(RING);
  const named = new Map(accounts.map((account) => [account.name, account]));

  it("import only what the other account exports to them", () => {
    for (const account of accounts) {
      for (const { account: from, kind, subject } of account.imports) {
        const exports = named
          .get(from)
          ?.exports.filter((one) => one.kind === kind && covers(one.subject, subject));
        expect(
          exports?.some(({ accounts: to }) => to.has(account.name)),
          `${account.name} imports ${subject} of ${from}`,
        ).toBe(true);
      }
    }
  });

  it("let a tenant reach nothing but the mapped subjects of its own name and its own feed", () => {
    const others = named
      .get("P-alice")
      ?.imports.filter(({ subject }) => !subject.startsWith("bioxen.as.tenant.alice."))
      .map(({ kind, account, subject }) => `${kind} ${account} ${subject}`);
    expect(others).toEqual([
      "service FEED $JS.API.INFO",
      ...Array.from({ length: 32 }, (_, i) => [
        `service FEED $JS.API.CONSUMER.CREATE.BIOXEN_FEED.alice_${i + 1}.bioxen.feed.alice.>`,
        `service FEED $JS.API.CONSUMER.INFO.BIOXEN_FEED.alice_${i + 1}`,
        `service FEED $JS.API.CONSUMER.DELETE.BIOXEN_FEED.alice_${i + 1}`,
        `service FEED $JS.API.CONSUMER.MSG.NEXT.BIOXEN_FEED.alice_${i + 1}`,
      ]).flat(),
      "stream LOG bioxen.stored.feed.alice.vm.*",
      "stream S-monitor bioxen.feed.alice.tel.*",
      "stream S-monitor bioxen.feed.alice.log.*",
    ]);
  });

  it("let the server name the account of every service that calls an endpoint", () => {
    for (const service of CORE_SERVICES) {
      const calls = named
        .get(`S-${service}`)
        ?.imports.filter(({ kind, account }) => kind === "service" && /^[SA]-/.test(account));
      expect(calls?.filter(({ share }) => !share).map(({ subject }) => subject)).toEqual([]);
    }
  });

  it("have no user of a service, agent or principal in those that hold streams", () => {
    const holders = accounts.filter(({ options }) => options.storage !== undefined);
    expect(holders.map(({ name, users }) => [name, users.map((user) => user.name)])).toEqual([
      ["LOG", ["provisioner"]],
      ["FEED", ["feed"]],
    ]);
  });
});
