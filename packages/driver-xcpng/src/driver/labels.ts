/**
 * What an administrator of the pool sees of a machine: its name, its description and its tags. They say which VM of which
 * BioXen the machine is, and that BioXen manages it. BioXen itself reads only the keys (`tags.ts`), so that a changed
 * name has no effect.
 */
import type { XapiClient } from "../xapi/client.ts";
import type { OwnVm } from "./inventory.ts";
import type { Agent } from "./tags.ts";

/** The tag of every machine of every BioXen. */
const TAG = "bioxen";
/** The beginning of the tag that names the BioXen of a machine. */
const CLUSTER_TAG = "bioxen-cluster-";

export interface Labels {
  readonly name: string;
  readonly description: string;
  readonly tags: readonly string[];
}

/** Returns the labels of the VM's machine on this chassis. */
export function labelsOf(vmId: string, chassisId: string, { clusterId, agentId }: Agent): Labels {
  return {
    name: `BioXen ${vmId} (${chassisId}, ${clusterId})`,
    description:
      `VM ${vmId} on chassis ${chassisId} of the BioXen ${clusterId}, run by its agent ${agentId}. ` +
      `Do not change it here: use "bioxen vm stop ${vmId}" and "bioxen vm destroy ${vmId}".`,
    tags: [TAG, CLUSTER_TAG + clusterId],
  };
}

/** Writes the labels that the machine does not have yet, and removes the tag of another BioXen. */
export async function writeLabels(client: XapiClient, { ref, record }: OwnVm, labels: Labels): Promise<void> {
  const { name, description, tags } = labels;
  if (record.name_label !== name) await client.call("VM.set_name_label", [ref, name]);
  if (record.name_description !== description) {
    await client.call("VM.set_name_description", [ref, description]);
  }
  for (const tag of tags) if (!record.tags.includes(tag)) await client.call("VM.add_tags", [ref, tag]);
  for (const tag of record.tags) {
    const isOther = tag.startsWith(CLUSTER_TAG) && !tags.includes(tag);
    if (isOther) await client.call("VM.remove_tags", [ref, tag]);
  }
}

/** Returns whether the machine has these labels. */
export function isLabelled({ record }: OwnVm, { name, description, tags }: Labels): boolean {
  const isNamed = record.name_label === name && record.name_description === description;
  return isNamed && tags.every((tag) => record.tags.includes(tag));
}
