/**
 * Resources in the menu: fleet usage, free capacity per chassis, resizing a VM, and optimising a cell.
 */

import type { VmView } from "@bioxen/contracts";
import { ledgerWords } from "../commands/chassis-words.ts";
import { optimise, optimumTable } from "../commands/vm-optimise.ts";
import { vmWords } from "../commands/vm-words.ts";
import { refused } from "../outcome.ts";
import { amountOption, amountProblem } from "../parse.ts";
import type { Session } from "../session.ts";
import { table } from "../table.ts";
import { bar } from "../terminal.ts";
import type { Asking } from "./asking.ts";
import { chooseVm } from "./vm-actions.ts";

/** VM states in which the service accepts a resize. */
const RESIZABLE: readonly VmView["state"][] = ["created", "stopped", "error", "running", "paused"];

export async function resourcesMenu(asking: Asking, session: Session): Promise<void> {
  for (;;) {
    const chosen = await asking.choose("Resources", [
      { value: "usage", label: "Usage", hint: "of the whole fleet" },
      { value: "available", label: "Available", hint: "free capacity of each chassis" },
      { value: "allocate", label: "Allocate", hint: "change the resources of a VM" },
      { value: "optimise", label: "Optimise for type", hint: "smallest allocation with the best growth" },
      { value: "back", label: "Back" },
    ]);
    if (chosen === undefined || chosen === "back") return;
    if (chosen === "usage") await showUsage(asking, session);
    else if (chosen === "available") await showAvailable(asking, session);
    else if (chosen === "allocate") await allocate(asking, session);
    else await optimiseMenu(asking, session);
  }
}

/**
 * Asks for a cell and shows its optimum: the smallest allocation with nearly the best growth, by the cell model.
 * Resizes the cell to the optimum if the user confirms.
 */
async function optimiseMenu(asking: Asking, session: Session): Promise<void> {
  const vms = (await session.listAllVms()).filter(
    (vm) => vm.vmType === "basic" && RESIZABLE.includes(vm.state),
  );
  if (vms.length === 0) return asking.tell("news", "no cell can be resized now");
  const vmId = await chooseVm(asking, "Which cell?", vms);
  if (vmId === undefined) return;
  const report = await optimise(session, vmId, false);
  asking.show(optimumTable(report), "Optimise for type");
  const wanted = await asking.confirm(`Resize ${vmId} to the optimum?`);
  if (wanted !== true) return asking.tell("news", "nothing was changed");
  const reply = await session.call("vmResize", { vmId, resources: report.optimum.allocation });
  if (!reply.ok) return asking.tell("refused", refused(reply.error).message);
  asking.tell("done", `${vmId} is resized to the optimum`);
}

async function showUsage(asking: Asking, session: Session): Promise<void> {
  const { utilisation, fairness } = await session.ask("monitorFleet", { limit: 0 });
  const rows = Object.entries(utilisation).map(([name, { offered, reserved, permille }]) => [
    name,
    bar(permille),
    `${(permille / 10).toFixed(1)} %`,
    `${reserved} of ${offered}`,
  ]);
  const even =
    fairness === null ? "" : `\nfairness (Jain's index over granted ÷ requested): ${fairness.toFixed(3)}`;
  asking.show(`${table(["RESOURCE", "USE", "", "HELD OF OFFER"], rows)}${even}`, "Usage");
}

async function showAvailable(asking: Asking, session: Session): Promise<void> {
  const { ledgers } = await session.ask("ledgerList", {});
  if (ledgers.length === 0) return asking.tell("news", "no chassis is registered");
  asking.show(ledgers.map(ledgerWords).join("\n\n"), "Available");
}

async function allocate(asking: Asking, session: Session): Promise<void> {
  const vms = (await session.listAllVms()).filter(({ state }) => RESIZABLE.includes(state));
  if (vms.length === 0) return asking.tell("news", "no VM can be resized now");
  const vmId = await chooseVm(asking, "Resize which VM?", vms);
  const vm = vms.find((one) => one.vmId === vmId);
  if (vm === undefined) return;
  const resource = await asking.choose(
    "Which resource?",
    Object.entries(vm.request).map(([name, amount]) => ({ value: name, label: name, hint: `${amount} now` })),
  );
  if (resource === undefined) return;
  const amount = await asking.text({
    message: `${resource}: an amount, or a share of full demand such as 50%`,
    initial: String(vm.request[resource] ?? ""),
    problem: amountProblem,
  });
  if (amount === undefined) return;
  const reply = await session.call("vmResize", {
    vmId: vm.vmId,
    resources: { [resource]: amountOption(amount) },
  });
  if (!reply.ok) return asking.tell("refused", refused(reply.error).message);
  asking.show(vmWords((await session.ask("vmGet", { vmId: vm.vmId })).vm, null), `${vm.vmId} now`);
}
