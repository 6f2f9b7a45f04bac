/**
 * `bioxen env`: the settings of the connection as variables of a shell, for other clients.
 */
import { access, readFile } from "node:fs/promises";
import { SETTING_VARIABLES, shownServers } from "@bioxen/nats";
import type { Command } from "commander";
import { endOf } from "../outcome.ts";
import { conclude, globalsOf, sayJson, sayRaw } from "../run.ts";
import { connectionOf, type GlobalOptions, unreachable } from "../session.ts";
import { shellWord } from "../shell-word.ts";

/** Variables that the command `nats` of NATS reads. */
const NATS_VARIABLES = { url: "NATS_URL", ca: "NATS_CA", cert: "NATS_CERT", key: "NATS_KEY" } as const;
/** Path of the file with address, name and password of the same user, for clients without nkeys. */
const LOGIN_VARIABLE = "BIOXEN_NATS_LOGIN";

const EXAMPLE = `
The variables name files, and contain no secret. Example:
  eval "$(bioxen env)" && nats rtt`;

export function addEnvCommand(program: Command): void {
  program
    .command("env")
    .description("print the settings of the connection for other clients, as exports of a shell")
    .addHelpText("after", EXAMPLE)
    .action(async (_options, command: Command) => {
      const json = globalsOf(command).json === true;
      try {
        const variables = await variablesFor(globalsOf(command));
        if (json) return sayJson({ ok: true, variables });
        sayRaw(
          Object.entries(variables)
            .map(([name, value]) => `export ${name}=${shellWord(value)}`)
            .join("\n"),
        );
      } catch (thrown) {
        conclude(endOf(thrown), json);
      }
    });
}

/** Returns the variables. A URL is without its login, because the output may be stored. */
async function variablesFor(options: GlobalOptions): Promise<Readonly<Record<string, string>>> {
  const connection = await connectionOf(options);
  if (connection === undefined) throw unreachable();
  const { servers, creds, tls, domain } = connection;
  const url = shownServers(servers);
  const all: Readonly<Record<string, string | undefined>> = {
    [SETTING_VARIABLES.servers]: url,
    [SETTING_VARIABLES.creds]: creds,
    [SETTING_VARIABLES.ca]: tls?.ca,
    [SETTING_VARIABLES.cert]: tls?.cert,
    [SETTING_VARIABLES.key]: tls?.key,
    [SETTING_VARIABLES.domain]: domain,
    [LOGIN_VARIABLE]: creds === undefined ? undefined : await loginBeside(creds),
    [NATS_VARIABLES.url]: url,
    [NATS_VARIABLES.ca]: tls?.ca,
    [NATS_VARIABLES.cert]: tls?.cert,
    [NATS_VARIABLES.key]: tls?.key,
    ...(creds === undefined ? {} : { [await natsVariableOf(creds)]: creds }),
  };
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/** Returns the path of the password of the same user; undefined when it has none. */
async function loginBeside(creds: string): Promise<string | undefined> {
  const path = creds.replace(/\.creds$/, ".json");
  if (path === creds) return undefined;
  return access(path).then(
    () => path,
    () => undefined,
  );
}

/** The command `nats` distinguishes a file with a seed from one with a JWT. */
async function natsVariableOf(creds: string): Promise<"NATS_CREDS" | "NATS_NKEY"> {
  const text = await readFile(creds, "utf8").catch(() => "");
  return text.includes("BEGIN NATS USER JWT") ? "NATS_CREDS" : "NATS_NKEY";
}
