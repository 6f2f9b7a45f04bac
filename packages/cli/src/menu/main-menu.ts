/**
 * The menu that `bioxen` without arguments opens on a terminal. Esc goes back one level, Ctrl-C leaves the menu. An
 * entry sends its commands only after its last question, so leaving at a question never interrupts a change.
 */
import { walkReadable } from "@bioxen/contracts";
import { chassisTable, ledgerWords } from "../commands/chassis-words.ts";
import { eventLine, unreadableLine } from "../commands/event-words.ts";
import { endOf } from "../outcome.ts";
import type { Session } from "../session.ts";
import { alertsMenu } from "./alerts.ts";
import { type Asking, MenuLeft } from "./asking.ts";
import { createMenu } from "./create.ts";
import { resourcesMenu } from "./resources.ts";
import { statusMenu, VERBS, verbMenu, vmsMenu } from "./vm-actions.ts";

/** Number of events that the entry "Events" shows: the latest ones of the log. */
const RECENT_EVENTS = 20;

/** Shows the menu until the user leaves it. After a refused command, it shows the refusal and continues. */
export async function mainMenu(asking: Asking, session: Session): Promise<void> {
  for (;;) {
    const chosen = await asking.choose("What next?", await entries(session));
    if (chosen === undefined || chosen === "exit") return;
    try {
      await enter(chosen, asking, session);
    } catch (thrown) {
      if (thrown instanceof MenuLeft) throw thrown;
      asking.tell("refused", endOf(thrown).message);
    }
  }
}

/**
 * Returns the entries of the main menu. A verb such as `start` is listed only when the state of at least one VM allows
 * it.
 */
async function entries(session: Session) {
  const [vms, alerts] = await Promise.all([
    session.listAllVms().catch(() => []),
    session.ask("alertList", { limit: 0 }).then(
      ({ activeTotal }) => activeTotal,
      () => 0,
    ),
  ]);
  const verbs = VERBS.flatMap((verb) => {
    const count = vms.filter((vm) => verb.from.includes(vm.state)).length;
    return count === 0
      ? []
      : [{ value: verb.name, label: verb.title, hint: `${count} VM${count > 1 ? "s" : ""}` }];
  });
  return [
    { value: "create", label: "Create a cell" },
    { value: "list", label: "List VMs", hint: String(vms.length) },
    ...verbs,
    ...(vms.length > 0 ? [{ value: "status", label: "Status and live metrics" }] : []),
    { value: "resources", label: "Resources" },
    { value: "chassis", label: "Chassis" },
    { value: "alerts", label: "Alerts", ...(alerts > 0 ? { hint: `${alerts} raised` } : {}) },
    { value: "events", label: "Events" },
    { value: "exit", label: "Exit" },
  ];
}

async function enter(chosen: string, asking: Asking, session: Session): Promise<void> {
  const verb = VERBS.find(({ name }) => name === chosen);
  if (verb !== undefined) return verbMenu(asking, session, verb);
  if (chosen === "create") return createMenu(asking, session);
  if (chosen === "list") return vmsMenu(asking, session);
  if (chosen === "status") return statusMenu(asking, session);
  if (chosen === "resources") return resourcesMenu(asking, session);
  if (chosen === "chassis") return chassisMenu(asking, session);
  if (chosen === "alerts") return alertsMenu(asking, session);
  return showEvents(asking, session);
}

async function chassisMenu(asking: Asking, session: Session): Promise<void> {
  for (;;) {
    const { chassis } = await session.ask("chassisList", {});
    if (chassis.length === 0) return asking.tell("news", "no chassis is registered");
    asking.show(chassisTable(chassis), "Chassis");
    const chassisId = await asking.choose(
      "Which chassis?",
      chassis.map((c) => ({ value: c.chassisId, label: c.chassisId, hint: `${c.chassisType}, ${c.state}` })),
    );
    const one = chassis.find((c) => c.chassisId === chassisId);
    if (one === undefined) return;
    asking.show(
      ledgerWords((await session.ask("ledgerGet", { chassisId: one.chassisId })).ledger),
      one.chassisId,
    );
    const what = await asking.choose(`${one.chassisId}`, [
      one.cordoned
        ? { value: "open", label: "Uncordon: accept new VMs" }
        : { value: "close", label: "Cordon: accept no new VMs" },
      { value: "back", label: "Back" },
    ]);
    if (what === "open") await session.ask("chassisUncordon", { chassisId: one.chassisId });
    if (what === "close") await session.ask("chassisCordon", { chassisId: one.chassisId });
  }
}

async function showEvents(asking: Asking, session: Session): Promise<void> {
  const log = await session.eventLog();
  const lines: string[] = [];
  const fromSeq = Math.max(1, (await log.lastSeq()) - RECENT_EVENTS + 1);
  await walkReadable(log, ({ seq, envelope }) => lines.push(eventLine(seq, envelope)), {
    fromSeq,
    onUnreadable: (message) => lines.push(unreadableLine(message)),
    stallMs: session.timeoutMs,
  });
  asking.show(lines.join("\n") || "the log is empty", "Latest events");
}
