/**
 * `bioxen support-bundle`: one ZIP file with all that helps another person to find a problem of this BioXen.
 */
import { link, rm, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { BIOXEN_VERSION } from "@bioxen/contracts";
import type { Command } from "commander";
import { strToU8, zipSync } from "fflate";
import { bytesInWords } from "../backup-words.ts";
import { endOf, usage } from "../outcome.ts";
import { conclude, globalsOf, note, say, sayJson } from "../run.ts";
import { settingOptions } from "../settings.ts";
import { type Collected, collect } from "../support/sources.ts";
import { table } from "../table.ts";

/** The bundle has ids and addresses. */
const OWNER_ONLY = 0o600;

export function addSupportBundleCommand(program: Command): void {
  const bundle = program.command("support-bundle");
  for (const option of settingOptions("up.data")) bundle.addOption(option);
  bundle
    .description(
      "write a ZIP file with logs, settings, metrics, versions and the findings of doctor, without secrets",
    )
    .argument("[file]", "path of the file (default: bioxen-support-<time>.zip here)")
    .action(async (file: string | undefined, { data }: { readonly data?: string }, command: Command) => {
      const json = globalsOf(command).json === true;
      try {
        const isNamed = command.getOptionValueSource("data") === "cli";
        await write(command, resolve(file ?? usualName()), isNamed ? data : undefined);
      } catch (thrown) {
        conclude(endOf(thrown), json);
      }
    });
}

/** A name that sorts by time, and that every file system takes. */
function usualName(): string {
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "");
  return `bioxen-support-${time}.zip`;
}

async function write(command: Command, file: string, dataDir: string | undefined): Promise<void> {
  const options = globalsOf(command);
  note("collecting …");
  const collected = await collect(command, options, dataDir);
  const bytes = zipOf(collected);
  await createFile(file, bytes);
  const files = collected.files.map(({ name, text }) => ({ name, bytes: Buffer.byteLength(text) }));
  if (options.json === true) {
    return sayJson({ ok: true, file, bytes: bytes.length, files, leftOut: collected.leftOut });
  }
  say(
    table(
      ["FILE", "SIZE"],
      files.map(({ name, bytes: size }) => [name, bytesInWords(size)]),
    ),
  );
  for (const { name, why } of collected.leftOut) say(`without ${name}: ${why}`);
  say(
    `${file}: ${bytesInWords(bytes.length)}. Passwords, keys and tokens were removed where they show by name or form;`,
  );
  say("ids, labels and addresses are in it: look at it before you send it.");
}

function zipOf({ files, leftOut }: Collected): Uint8Array {
  const index = { bioxen: BIOXEN_VERSION, files: files.map(({ name }) => name), leftOut };
  const all = [{ name: "bundle.json", text: `${JSON.stringify(index, null, 2)}\n` }, ...files];
  return zipSync(Object.fromEntries(all.map(({ name, text }) => [name, strToU8(text)])));
}

/** Writes a new file, whole or not at all. */
async function createFile(path: string, bytes: Uint8Array): Promise<void> {
  const draft = `${path}.${process.pid}`;
  try {
    await writeFile(draft, bytes, { mode: OWNER_ONLY, flag: "wx" });
    // Unlike a rename, a link never replaces a file.
    await link(draft, path);
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    throw usage(
      code === "EEXIST" ? `${path} exists: name another file` : `cannot write ${path}: ${code ?? message}`,
    );
  } finally {
    await rm(draft, { force: true });
  }
}
