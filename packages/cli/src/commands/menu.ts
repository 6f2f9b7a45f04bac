/**
 * `bioxen` without arguments on a terminal: shows the menu for a reachable BioXen. When none is reachable, offers to
 * start a local stack.
 */
import { findLocalStack } from "@bioxen/nats";
import { Interruption } from "../interruption.ts";
import { MenuLeft, TerminalAsking } from "../menu/asking.ts";
import { mainMenu } from "../menu/main-menu.ts";
import { CommandEnd, endOf } from "../outcome.ts";
import { conclude } from "../run.ts";
import { type GlobalOptions, Session } from "../session.ts";
import { resolveSettings } from "../settings.ts";
import { startDetached } from "./up.ts";

export async function openMenu(): Promise<void> {
  const asking = new TerminalAsking();
  let session: Session | undefined;
  asking.begin("BioXen: cells on chassis");
  try {
    session = await openSession(asking);
    if (session !== undefined) await mainMenu(asking, session);
    asking.end("VMs keep running. `bioxen --help` lists every command.");
  } catch (thrown) {
    if (thrown instanceof MenuLeft) asking.end("VMs keep running.");
    else conclude(endOf(thrown), false);
  } finally {
    await session?.close();
  }
}

/**
 * Returns a session with a reachable BioXen, or with a local stack that the user agreed to start. Returns undefined
 * when the user declines.
 */
async function openSession(asking: TerminalAsking): Promise<Session | undefined> {
  const globals = await globalSettings();
  if (globals.server === undefined && (await findLocalStack()) === undefined) {
    const start = await asking.confirm("No BioXen is reachable. Start a local stack in the background?");
    if (start !== true) return undefined;
    const interruption = Interruption.listen({ withLauncher: true });
    await asking
      .during("Starting NATS and five services", startDetached(["up"], interruption))
      .finally(() => interruption.end());
  }
  return Session.open(globals, { repeat: false }).catch((thrown: unknown) => {
    throw thrown instanceof CommandEnd ? thrown : endOf(thrown);
  });
}

/** Returns the settings from the environment and the settings file; the menu has no flags. */
async function globalSettings(): Promise<GlobalOptions> {
  const all = await resolveSettings();
  return Object.fromEntries(
    all.filter(({ value }) => value !== undefined).map(({ setting, value }) => [setting.key, value]),
  );
}
