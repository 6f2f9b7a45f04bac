/**
 * `bioxen auth …`: the keys of principals and agents, and the owner of the VMs of a principal.
 */
import type { KeyChange, KeyEntry } from "@bioxen/auth";
import { KEY_ROLES } from "@bioxen/auth/roles";
import type { ReplyError } from "@bioxen/kernel";
import type { LiveKeys } from "@bioxen/local-stack";
import type { Command } from "commander";
import { type KeysOption, withKeysOption } from "../keys-option.ts";
import { EXIT_REFUSED, refused } from "../outcome.ts";
import { integerIn, oneOf } from "../parse.ts";
import { globalsOf, note, say, sayJson, withSession } from "../run.ts";
import { table } from "../table.ts";
import { reported } from "./auth-report.ts";
import { addToken } from "./auth-token.ts";

interface AddOptions extends KeysOption {
  readonly role: KeyEntry["role"];
  readonly agent?: string;
  readonly password?: boolean;
}

export function addAuthCommands(program: Command): void {
  const auth = program
    .command("auth")
    .description("keys: which principals and agents the NATS server lets in, and what they may do");
  addInit(auth);
  addList(auth);
  addAdd(auth);
  addShow(auth);
  addRotate(auth);
  addRevoke(auth);
  addToken(auth);
  addTransfer(auth);
  addProvision(auth);
}

/** The server keeps at most this many copies of a stream. */
const MAX_REPLICAS = 5;

interface InitFlags {
  readonly out: string;
  readonly agent?: readonly string[];
  readonly keep?: boolean;
  readonly secrets?: string;
  readonly store?: readonly string[];
  readonly open?: boolean;
}

function addInit(auth: Command): void {
  auth
    .command("init")
    .description("make keys, and the accounts for the configuration of a NATS server elsewhere")
    .requiredOption("--out <dir>", "directory for the keys; it is created, and only its owner can read it")
    .option("--agent <id...>", "agents that get a key; default: none")
    .option("--keep", "keep the keys of the directory, and make the missing ones; default: refuse it")
    .option(
      "--secrets <dir>",
      "also copy the key of each user to services/NAME, agents/ID or principals/NAME in this directory, where that exists",
    )
    .option(
      "--store <dir...>",
      "store directories of stopped servers without keys: their streams move to the account with keys",
    )
    .option("--open", "with --store: move the streams back, for servers without keys")
    .addHelpText("after", "\nExample:\n  bioxen auth init --out keys --agent rack-7 --server nats://10.0.0.5")
    .action((flags: InitFlags, command: Command) =>
      reported(command, async (json) => {
        const { initKeys } = await import("../auth-init.ts");
        const {
          out: dir,
          agent: agents = [],
          keep = false,
          secrets,
          store: stores = [],
          open = false,
        } = flags;
        const url = globalsOf(command).server;
        const made = await initKeys({ dir, agents, url, keep, secrets, stores, open });
        if (json) return sayJson({ ok: true, ...made.result });
        say(made.words);
      }),
    );
}

function addList(auth: Command): void {
  withKeysOption(auth.command("ls").alias("list"))
    .description("list principals and agents with their roles")
    .action((options: KeysOption, command: Command) =>
      reported(command, async (json) => {
        const { viewsOf } = await import("../auth-views.ts");
        const { dir, keys } = await viewsOf(options);
        if (json) return sayJson({ ok: true, dir, keys });
        const rows = keys.map(({ name, role, agentId, password, file }) => [
          name,
          agentId === undefined ? role : `${role} ${agentId}`,
          password ? "yes" : "no",
          file,
        ]);
        say(
          table(
            [
              "NAME",
              "ROLE",
              { head: "PASSWORD", importance: 1 },
              { head: "CREDENTIALS", wraps: true, importance: 2 },
            ],
            rows,
          ),
        );
      }),
    );
}

function addAdd(auth: Command): void {
  withKeysOption(auth.command("add <name>"))
    .description("add a principal or an agent; the running local stack lets it in at once")
    .addOption(oneOf("--role <role>", "what the key may do", KEY_ROLES).makeOptionMandatory())
    .option("--agent <id>", "with the role agent: the id of the agent; default: the name")
    .option("--password", "also make a password, for clients without nkeys")
    .addHelpText("after", "\nExample:\n  bioxen auth add alice --role tenant")
    .action((name: string, options: AddOptions, command: Command) =>
      changed(command, options, async ({ dir }) => {
        const { addKey } = await import("@bioxen/auth");
        const { role, agent: agentId, password } = options;
        return addKey(dir, { name, role, agentId, password });
      }),
    );
}

function addShow(auth: Command): void {
  withKeysOption(auth.command("show <name>"))
    .description("show role, public key, files and tokens of a principal, an agent, or service:NAME")
    .action((name: string, options: KeysOption, command: Command) =>
      reported(command, async (json) => {
        const { viewNamed, viewWords } = await import("../auth-views.ts");
        const view = await viewNamed(options, name);
        if (json) sayJson({ ok: true, ...view });
        else say(viewWords(view));
      }),
    );
}

function addRotate(auth: Command): void {
  withKeysOption(auth.command("rotate <name>"))
    .description(
      "replace key and password of a principal or an agent, or the key of service:NAME; the former ones are refused at once",
    )
    .addHelpText("after", "\nExamples:\n  bioxen auth rotate alice\n  bioxen auth rotate service:lifecycle")
    .action((name: string, options: KeysOption, command: Command) =>
      changed(command, options, async ({ dir }) => (await import("@bioxen/auth")).rotateKey(dir, name)),
    );
}

function addRevoke(auth: Command): void {
  withKeysOption(auth.command("revoke <name>"))
    .description("remove a principal or an agent, and end its connections; its VMs run on")
    .action((name: string, options: KeysOption, command: Command) =>
      changed(command, options, async ({ dir }) => (await import("@bioxen/auth")).revokeKey(dir, name)),
    );
}

/** Carries out a change, in the running local stack too, and prints the key. */
async function changed(
  command: Command,
  options: KeysOption,
  change: (keys: LiveKeys) => Promise<KeyChange>,
): Promise<void> {
  await reported(command, async (json) => {
    const { keysOf, viewOf, viewWords } = await import("../auth-views.ts");
    const { changeKeys } = await import("@bioxen/local-stack");
    const keys = await keysOf(options);
    const { entry, directory, seed } = await changeKeys(keys, () => change(keys));
    const isRevoked = seed === undefined;
    const view = viewOf(directory, entry);
    const inForce = keys.server !== undefined;
    if (json) return sayJson({ ok: true, ...view, revoked: isRevoked, inForce });
    say(isRevoked ? `${entry.name} is revoked` : viewWords(view));
    if (inForce) return;
    note(
      options.keys === undefined
        ? "no local stack runs: the change takes effect at its next start"
        : "for a server elsewhere: give it the new accounts.conf, and reload it twice",
    );
  });
}

function addTransfer(auth: Command): void {
  auth
    .command("transfer <from> <to>")
    .description("give all VMs of a principal, also of a revoked one, to another principal")
    .action(async (from: string, to: string, _options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const vms = await session.listAllVms({ owner: from });
        const results: (({ ok: true } | { ok: false; error: ReplyError }) & { vmId: string })[] = [];
        for (const { vmId } of vms) {
          const reply = await session.call("vmTransfer", { vmId, owner: to });
          results.push(reply.ok ? { vmId, ok: true } : { vmId, ok: false, error: reply.error });
        }
        const failed = results.flatMap((one) => (one.ok ? [] : [one]));
        if (failed.length > 0) process.exitCode = EXIT_REFUSED;
        if (json === true) return sayJson({ ok: failed.length === 0, from, to, results });
        for (const { vmId, error } of failed) note(`${vmId}: ${refused(error).message}`);
        const count = results.length - failed.length;
        say(vms.length === 0 ? `${from} owns no VM` : `${to} owns ${count} VMs of ${from} now`);
      });
    });
}

function addProvision(auth: Command): void {
  withKeysOption(auth.command("provision"))
    .description("make or repair the streams on a server with keys, once before services start there")
    .option(
      "--replicas <n>",
      "number of servers of a cluster with a copy of each stream",
      integerIn({ min: 1, max: MAX_REPLICAS }),
      1,
    )
    .addHelpText("after", "\nExample:\n  bioxen auth provision --keys keys --server nats://10.0.0.5")
    .action((options: KeysOption & { readonly replicas: number }, command: Command) =>
      reported(command, async (json) => {
        const { provisionServer } = await import("../auth-init.ts");
        const server = await provisionServer(options, globalsOf(command));
        if (json) sayJson({ ok: true, server });
        else say(`the streams on ${server} are as services need them`);
      }),
    );
}
