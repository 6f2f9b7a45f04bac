/**
 * What `bioxen doctor` says about the store: streams, buckets, copies, sizes, and streams of other owners.
 */
import { messageOf } from "@bioxen/kernel";
import {
  type Bus,
  driftInWords,
  type ForeignStream,
  foreignStreamInWords,
  lacksJetStream,
  type PresentStream,
  type StoredStream,
  type StoreReport,
  storeReport,
} from "@bioxen/nats";
import type { Finding } from "./finding.ts";

const RESTART = "start a service: it creates the streams, and repairs what can be repaired";
const ENABLE_JETSTREAM =
  "enable JetStream with file storage, for the account of this login (docs/how-to/server.md)";
/** A stream that uses this share of its maximum size, or more, is reported as nearly full. */
const NEARLY_FULL = 0.8;

export async function storeFindings(bus: Bus): Promise<Finding[]> {
  try {
    return findingsOf(await storeReport(bus));
  } catch (thrown) {
    const remedy = lacksJetStream(thrown) ? ENABLE_JETSTREAM : RESTART;
    return [{ check: "streams", verdict: "fail", found: messageOf(thrown), remedy }];
  }
}

export function findingsOf({ streams, foreign }: StoreReport): Finding[] {
  return [
    kindFinding("streams", streams),
    kindFinding("buckets", streams),
    copiesFinding(streams),
    ...sizeFindings(streams),
    foreignFinding(foreign),
  ];
}

function kindFinding(check: "streams" | "buckets", all: readonly StoredStream[]): Finding {
  const kind = check === "streams" ? "stream" : "bucket";
  const own = all.filter((stream) => stream.kind === kind);
  const absent = own.filter(({ present }) => present === undefined).map(({ name }) => `${name} is missing`);
  const differing = own.flatMap(({ name, present }) =>
    (present?.drift ?? []).map((drift) => `${name}: ${driftInWords(drift)}`),
  );
  const wrong = [...absent, ...differing];
  if (wrong.length === 0) return { check, verdict: "ok", found: "as declared" };
  if (kind === "bucket" && differing.length === 0) {
    // Only a warning: the next user of a missing bucket creates it, and disabled snapshots have no bucket.
    return {
      check,
      verdict: "warn",
      found: wrong.join("; "),
      remedy: "the next service that needs it creates it",
    };
  }
  return { check, verdict: "fail", found: wrong.join("; "), remedy: RESTART };
}

/** Checks whether every stream and bucket has as many up-to-date copies as its configuration requires. */
function copiesFinding(all: readonly StoredStream[]): Finding {
  const present = all.flatMap(({ name, present }) =>
    present === undefined ? [] : [{ name, ...present.copies }],
  );
  const short = present.filter((copies) => copies.present < copies.wanted);
  if (short.length === 0) {
    const fewest = Math.min(...present.map((copies) => copies.present));
    return {
      check: "copies",
      verdict: "ok",
      found: `${fewest === Number.POSITIVE_INFINITY ? 0 : fewest} of each stream`,
    };
  }
  return {
    check: "copies",
    verdict: "fail",
    found: short.map((one) => `${one.name} has ${one.present} of ${one.wanted}`).join("; "),
    remedy:
      "start the other servers of the cluster, or lower BIOXEN_EVENT_REPLICAS and the replicas of the streams",
  };
}

function sizeFindings(all: readonly StoredStream[]): Finding[] {
  const limited = all.flatMap(({ name, present }) =>
    present?.maxBytes === undefined ? [] : [{ name, present }],
  );
  if (limited.length === 0) return [];
  const share = ({ bytes, maxBytes = 1 }: PresentStream) => bytes / maxBytes;
  const full = limited.filter(({ present }) => share(present) >= NEARLY_FULL);
  const found = (full.length > 0 ? full : limited).map(
    ({ name, present }) => `${name} uses ${Math.round(share(present) * 100)} % of ${present.maxBytes} bytes`,
  );
  if (full.length === 0) return [{ check: "sizes", verdict: "ok", found: found.join("; ") }];
  const isFull = full.some(({ present }) => share(present) >= 0.99);
  const remedy = "raise BIOXEN_STREAM_MAX_BYTES: a full event stream refuses every command";
  return [{ check: "sizes", verdict: isFull ? "fail" : "warn", found: found.join("; "), remedy }];
}

/**
 * Returns a failed check when the server stores no leases although services run. `silenceMs` is the time since the last
 * stored lease, ms; undefined when the services store leases as usual.
 */
export function writeFindings(silenceMs: number | undefined): Finding[] {
  if (silenceMs === undefined) return [];
  const seconds = Math.round(silenceMs / 1_000);
  return [
    {
      check: "writes",
      verdict: "fail",
      found: `the server has stored no lease for ${seconds} s, although services run: its disk may be full`,
      remedy: "make room on the disk of the server, and restart the server",
    },
  ];
}

function foreignFinding(foreign: readonly ForeignStream[]): Finding {
  const check = "foreign streams";
  if (foreign.length === 0) return { check, verdict: "ok", found: "none on the subjects of BioXen" };
  const interferes = foreign.some((stream) => stream.interferes);
  return {
    check,
    verdict: interferes ? "fail" : "warn",
    found: foreign.map(foreignStreamInWords).join("; "),
    remedy: interferes
      ? "remove those subjects from the stream, or give BioXen a NATS account of its own"
      : "it stores copies of telemetry, logs or alerts: remove it if nothing reads them",
  };
}
