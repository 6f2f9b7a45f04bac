/**
 * The releases of BioXen that run beside each other during a rolling upgrade.
 */
import { BIOXEN_VERSION } from "@bioxen/contracts";
import type { ServiceInstance } from "@bioxen/nats";
import type { Finding } from "./finding.ts";

/** Returns the different releases of the instances, the oldest first. */
export function versionsOf(instances: readonly Pick<ServiceInstance, "version">[]): string[] {
  const byNumbers = new Intl.Collator("en", { numeric: true });
  return [...new Set(instances.map(({ version }) => version))].sort(byNumbers.compare);
}

export interface ServiceVersions {
  readonly name: string;
  readonly versions: readonly string[];
}

/**
 * Returns a warning when a service runs another release than this command, otherwise an empty list. The usual cause is
 * a rolling upgrade that is in progress or was not completed.
 */
export function versionFindings(
  services: readonly ServiceVersions[],
  own: string = BIOXEN_VERSION,
): Finding[] {
  const others = services.filter(({ versions }) => versions.some((version) => version !== own));
  if (others.length === 0) return [];
  const found = others.map(({ name, versions }) => `${name} ${versions.join(" and ")}`).join(", ");
  return [
    {
      check: "releases",
      verdict: "warn",
      found: `this command is ${own}; ${found}`,
      remedy: "replace the older processes (docs/how-to/upgrade.md)",
    },
  ];
}
