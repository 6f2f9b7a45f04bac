/**
 * The check of a pool before an agent uses it: the pool is reachable, its user may do what the driver does, and the
 * template exists.
 */
import { XapiClient } from "../xapi/client.ts";
import type { PoolConfiguration } from "./configuration.ts";
import { explainAccess } from "./failures.ts";
import { learnHostPins, unpinnedWords } from "./host-pins.ts";
import { permissionProblem } from "./permissions.ts";
import { findTemplate, INSTALLER_WORDS } from "./pool-names.ts";

/** Deadline of each call while a pool is checked, ms. */
const CHECK_TIMEOUT_MS = 10_000;

export interface PoolCheck {
  /** Why the agent cannot use the pool, with the remedy; absent when it can. */
  readonly problem?: string | undefined;
  /** What will not work although the agent can use the pool; absent when everything will. */
  readonly warning?: string | undefined;
}

/** Checks that the agent can use the pool. Never rejects. */
export async function checkPool({ agentId, options }: PoolConfiguration): Promise<PoolCheck> {
  const { url, template } = options;
  const client = new XapiClient({
    ...options,
    sessions: undefined,
    originator: `bioxen/${agentId}/check`,
    callTimeoutMs: CHECK_TIMEOUT_MS,
  });
  try {
    const problem = (await permissionProblem(client, url)) ?? (await templateProblem(client, url, template));
    if (problem !== undefined) return { problem };
    return { warning: unpinnedWords(await learnHostPins(client)) };
  } catch (thrown) {
    return { problem: explainAccess(thrown, url) };
  } finally {
    await client.close();
  }
}

async function templateProblem(
  client: XapiClient,
  url: string,
  template: string,
): Promise<string | undefined> {
  const { found } = findTemplate(Object.entries(await client.call("VM.get_all_records", [])), template);
  switch (found) {
    case "template":
      return undefined;
    case "installer":
      return `"${template}" on ${url} ${INSTALLER_WORDS}, or name a template with --xcpng-template`;
    case "machine":
      return `"${template}" on ${url} is a VM, not a template: shut it down and convert it, or name a template with --xcpng-template`;
    case "nothing":
      return `${url} has no template "${template}": create it, or name another with --xcpng-template`;
  }
}
