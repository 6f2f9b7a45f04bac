/**
 * The command set-environment: the agent names the minute and keeps the guest there, the change of this minute is
 * recorded, and the agent lets it act when it sees the event.
 */
import { type Handled, mediumProblems, type ParsedRequestOf, type ResultOf } from "@bioxen/contracts";
import type { Causation } from "@bioxen/kernel";
import { badRequest } from "../domain/requested-resources.ts";
import { admitEnvironment } from "../domain/vm-environment.ts";
import { type CommandPorts, executeOn } from "./command-ports.ts";
import { changedAtMinute, heldGuest } from "./held-minute.ts";
import { modelsHere } from "./known-models.ts";

export class EnvironmentCommandHandler {
  readonly #ports: CommandPorts;

  constructor(ports: CommandPorts) {
    this.#ports = ports;
  }

  async setEnvironment(
    { vmId, environment, atMinute }: ParsedRequestOf<"vmSetEnvironment">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"vmSetEnvironment">>> {
    const { vms } = this.#ports;
    const admitted = admitEnvironment(vmId, (await vms.refresh(vmId)).state);
    if ("answer" in admitted) {
      return changedAtMinute(vmId, await vms.execute(vmId, causation, () => admitted.answer));
    }
    const { config } = admitted.vm;
    const problems = mediumProblems("environment", environment, config, modelsHere(this.#ports, config));
    if (problems.length > 0) return badRequest(problems);
    const at = await heldGuest(this.#ports, vmId, admitted.vm, atMinute, causation);
    if ("ok" in at) return at;
    const fields = Object.entries(environment).filter(
      (field): field is [string, number] => field[1] !== undefined,
    );
    const command = { type: "set-environment", vmId, environment: Object.fromEntries(fields), at } as const;
    return changedAtMinute(vmId, await executeOn(this.#ports, vmId, causation, command));
  }
}
