/**
 * Removes what a test file left in a shared cluster: VMs, drains, chassis, quotas and alert rules. The log stays.
 */
import { eventually } from "@bioxen/testkit/eventually";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Json } from "./json.ts";

const TIMEOUT_MS = 20_000;
/** Longest time until the last VM is destroyed, ms: hundreds of VMs may end at once. */
const EMPTY_WITHIN_MS = 60_000;

/** Throws when something cannot be removed. */
export async function emptyCluster(nats: NatsConnection): Promise<void> {
  const ask = async (subject: string, payload: object): Promise<Json> =>
    (await nats.request(`bioxen.${subject}`, JSON.stringify(payload), { timeout: TIMEOUT_MS })).json();
  const done = async (subject: string, payload: object): Promise<Json> => {
    const reply = await ask(subject, payload);
    if (reply.ok !== true) throw new Error(`${subject}: ${JSON.stringify(reply.error)}`);
    return reply;
  };
  const vmIds = async (): Promise<string[]> => {
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await done("qry.vm.list", cursor === undefined ? {} : { cursor });
      ids.push(...page.vms.map((vm: Json) => vm.vmId));
      cursor = page.cursor ?? undefined;
    } while (cursor !== undefined);
    return ids;
  };

  const { chassis } = await done("qry.chassis.list", {});
  for (const { chassisId } of chassis) await ask("cmd.chassis.cancel-drain", { chassisId });
  for (const vmId of await vmIds()) await done("cmd.vm.destroy", { vmId });
  await eventually(
    "every VM is destroyed",
    async () => ((await vmIds()).length === 0 ? true : undefined),
    EMPTY_WITHIN_MS,
  );
  for (const { chassisId } of chassis) {
    await ask("cmd.chassis.uncordon", { chassisId });
    await eventually(
      `${chassisId} is removed`,
      async () => (await ask("cmd.chassis.remove", { chassisId })).ok || undefined,
      EMPTY_WITHIN_MS,
    );
  }
  const { quotas } = await done("qry.quota.list", {});
  for (const { label, owner } of quotas)
    await done("cmd.quota.set", { ...(owner === undefined ? { label } : { owner }), resources: {} });
  const { rules } = await done("qry.alert.list", {});
  for (const { ruleId } of rules.filter((rule: Json) => !rule.isDefault)) {
    await done("cmd.alert.remove-rule", { ruleId });
  }
}
