/**
 * Streams of other owners on BioXen's subjects.
 *
 * A stream on the subject of a request stores each request and acknowledges it on the reply subject. Callers ignore the
 * acknowledgement (replies.ts). When no service runs, however, the caller learns that only after its time-out. A stream
 * on telemetry or logs only copies the messages. Two streams cannot share the subjects of events or jobs: the server
 * refuses the second stream.
 */
import { ALL_SUBJECTS, REQUEST_SUBJECTS, STREAMS } from "@bioxen/contracts";
import type { Bus } from "./bus.ts";
import { streamManagerOf } from "./jet-stream.ts";

/** Subjects of BioXen's own streams. */
const OWN_SUBJECTS = STREAMS.flatMap(({ subjects }) => subjects);

export interface ForeignStream {
  readonly name: string;
  /** The subjects of this stream that overlap with subjects of BioXen. */
  readonly subjects: readonly string[];
  /** True when the stream answers requests, or takes a subject that a stream of BioXen needs. */
  readonly interferes: boolean;
}

/** Returns the streams of other owners that store messages of BioXen, sorted by name. */
export async function foreignStreams(bus: Bus): Promise<ForeignStream[]> {
  const jsm = await streamManagerOf(bus);
  const found: ForeignStream[] = [];
  for await (const { config } of jsm.streams.list(ALL_SUBJECTS)) {
    if (STREAMS.some(({ name }) => name === config.name)) continue;
    const subjects = (config.subjects ?? []).filter((subject) => subjectsOverlap(subject, ALL_SUBJECTS));
    const interferes = [...REQUEST_SUBJECTS, ...OWN_SUBJECTS].some((own) =>
      subjects.some((subject) => subjectsOverlap(subject, own)),
    );
    found.push({ name: config.name, subjects, interferes });
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Returns true when a subject exists that both patterns match. `*` matches one token, a last `>` one or more. */
export function subjectsOverlap(one: string, other: string): boolean {
  const a = one.split(".");
  const b = other.split(".");
  for (let i = 0; i < Math.max(a.length, b.length); i += 1) {
    const [left, right] = [a[i], b[i]];
    if (left === undefined || right === undefined) return false;
    if (left === ">" || right === ">") return true;
    if (left !== right && left !== "*" && right !== "*") return false;
  }
  return true;
}

/** Returns the stream and its subjects in words, for messages. */
export function foreignStreamInWords({ name, subjects }: ForeignStream): string {
  return `stream ${name} takes ${subjects.join(" and ")}`;
}
