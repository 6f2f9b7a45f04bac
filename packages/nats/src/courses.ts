/**
 * Time courses in a stream of their own, one message for each batch of rows.
 *
 * The subject of a batch has everything that a reader needs to choose and order batches, so the list of the subjects is
 * the index of a course, and no batch is read in vain.
 */
import {
  COURSE_STREAM,
  COURSE_STREAM_CONFIG,
  courseBatchName,
  courseSubject,
  courseSubjects,
  coursesOfAgent,
} from "@bioxen/contracts";
import {
  type CourseBatchName,
  type CourseName,
  type CourseStore,
  Fault,
  MAX_COURSE_BATCH_BYTES,
  messageOf,
} from "@bioxen/kernel";
import type { JetStreamClient, JetStreamManager, StoredMsg } from "@nats-io/jetstream";
import type { Bus } from "./bus.ts";
import { jetStreamOf, streamManagerOf } from "./jet-stream.ts";
import { isGone, isMessageNotFound } from "./server-codes.ts";
import type { StorageSettings } from "./storage.ts";
import { ensureStream } from "./streams.ts";

/** Longest wait for one acknowledgement, ms. */
const ACK_TIMEOUT_MS = 4_000;
/** Maximum number of tries of one call. A put is idempotent, so it may be repeated after a lost acknowledgement. */
const ATTEMPTS = 2;

/**
 * Opens the store of courses. The stream of the store must exist; opening the event log creates it. When the stream is
 * deleted later, the next call of the store creates an empty one.
 */
export async function openCourses(bus: Bus, storage: StorageSettings = {}): Promise<CourseStore> {
  const jsm = await streamManagerOf(bus);
  const restore = () => ensureStream(bus, jsm, COURSE_STREAM_CONFIG, storage);
  return new JetStreamCourses(jetStreamOf(bus), jsm, restore);
}

class JetStreamCourses implements CourseStore {
  readonly #js: JetStreamClient;
  readonly #jsm: JetStreamManager;
  readonly #restore: () => Promise<void>;

  constructor(js: JetStreamClient, jsm: JetStreamManager, restore: () => Promise<void>) {
    this.#js = js;
    this.#jsm = jsm;
    this.#restore = restore;
  }

  async put(name: CourseBatchName, bytes: Uint8Array): Promise<void> {
    const subject = courseSubject(name);
    if (bytes.length > MAX_COURSE_BATCH_BYTES) {
      const message = `batch ${subject} has ${bytes.length} bytes: the limit is ${MAX_COURSE_BATCH_BYTES}`;
      throw new Fault("TOO_LARGE", message, {
        retryable: false,
        details: { bytes: bytes.length, limitBytes: MAX_COURSE_BATCH_BYTES },
      });
    }
    const options = { expect: { streamName: COURSE_STREAM }, timeout: ACK_TIMEOUT_MS };
    await this.#retried(() => this.#js.publish(subject, bytes, options));
  }

  async get(name: CourseBatchName): Promise<Uint8Array | undefined> {
    const query = { last_by_subj: courseSubject(name) };
    // Any server of the cluster answers the first question. A follower may not have the batch yet; the leader has it.
    const found =
      (await this.#retried(() => foundOrNot(this.#jsm.direct.getMessage(COURSE_STREAM, query)))) ??
      (await this.#retried(() => foundOrNot(this.#jsm.streams.getMessage(COURSE_STREAM, query))));
    return found && Uint8Array.from(found.data);
  }

  batches(course: CourseName): Promise<readonly CourseBatchName[]> {
    return this.#named(courseSubjects(course));
  }

  async courses(): Promise<readonly CourseName[]> {
    const courses = new Map<string, CourseName>();
    for (const { vmId, incarnation } of await this.#named(coursesOfAgent("*"))) {
      courses.set(`${vmId}.${incarnation}`, { vmId, incarnation });
    }
    return [...courses.values()];
  }

  async delete(course: CourseName): Promise<void> {
    await this.#retried(() => this.#jsm.streams.purge(COURSE_STREAM, { filter: courseSubjects(course) }));
  }

  async #named(filter: string): Promise<CourseBatchName[]> {
    const { state } = await this.#retried(() =>
      this.#jsm.streams.info(COURSE_STREAM, { subjects_filter: filter }),
    );
    return Object.keys(state.subjects ?? {}).flatMap((subject) => courseBatchName(subject) ?? []);
  }

  async #retried<T>(call: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await call();
      } catch (cause) {
        if (isGone(cause)) await this.#restore().catch(() => undefined);
        if (attempt < ATTEMPTS) continue;
        throw new Fault("UNAVAILABLE", `the store of time courses is unreachable: ${messageOf(cause)}`, {
          retryable: true,
          cause,
        });
      }
    }
  }
}

async function foundOrNot(message: Promise<StoredMsg | null>): Promise<StoredMsg | undefined> {
  try {
    return (await message) ?? undefined;
  } catch (cause) {
    if (isMessageNotFound(cause)) return undefined;
    throw cause;
  }
}
