/**
 * Trust in the hosts of a pool, from the pool's own records.
 *
 * Statistics are read from each host at its address in the pool's records, but an operator configures one fingerprint,
 * for the name of the master. The master is trusted by that fingerprint, and it knows the certificate of every member
 * (xapi-project/xen-api, datamodel_host.ml, `get_server_certificate`, for every role). So the fingerprints of all
 * members follow from the first one. A fingerprint that is configured for a member precedes the one of the records.
 */
import { X509Certificate } from "node:crypto";
import { messageOf } from "@bioxen/kernel";
import type { XapiClient } from "../xapi/client.ts";

/** A host of the pool whose certificate is neither configured nor known to the pool. */
export interface UnpinnedHost {
  readonly name: string;
  readonly address: string;
  readonly reason: string;
}

/**
 * Learns the certificates of all hosts without a configured fingerprint, or of those with an address in `only`. Resolves
 * with the hosts whose certificate the pool does not tell, in order of name. Rejects when the list of hosts cannot be
 * read.
 */
export async function learnHostPins(
  client: XapiClient,
  only?: readonly string[],
): Promise<readonly UnpinnedHost[]> {
  const hosts = Object.entries(await client.call("host.get_all_records", []));
  const unpinned = await Promise.all(
    hosts.map(async ([ref, { name_label: name, address }]): Promise<UnpinnedHost[]> => {
      if (!client.needsPin(address) || only?.includes(address) === false) return [];
      try {
        const pem = await client.call("host.get_server_certificate", [ref]);
        client.learnPin(address, new X509Certificate(pem).fingerprint256);
        return [];
      } catch (thrown) {
        return [{ name, address, reason: messageOf(thrown) }];
      }
    }),
  );
  return unpinned.flat().sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Returns a sentence about the hosts without a fingerprint, with the remedy; undefined when there are none. */
export function unpinnedWords(unpinned: readonly UnpinnedHost[]): string | undefined {
  if (unpinned.length === 0) return undefined;
  const listed = unpinned.map(({ name, address, reason }) => `${name} (${address}: ${reason})`).join(", ");
  const pins = unpinned.map(({ address }) => `${address}=SHA256`).join(",");
  return `the machines on these hosts of the pool are not measured, because no fingerprint of the host is known: ${listed}. Add ${pins} to the fingerprints`;
}
