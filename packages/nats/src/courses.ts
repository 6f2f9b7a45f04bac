/**
 * Time courses in a stream of their own, one message for each batch of rows.
 *
 * The subject of a batch has everything that a reader needs to choose and order batches, so the list of the subjects is
 * the index of a course, and no batch is read in vain.
 */
import {
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
  MAX_COURSE_BATCH_BYTES,
} from "@bioxen/kernel";
import type { Bus } from "./bus.ts";
import type { StorageSettings } from "./storage.ts";
import { bytesOf, StreamObjects } from "./stream-objects.ts";

/** Opens the store of courses. */
export async function openCourses(bus: Bus, storage: StorageSettings = {}): Promise<CourseStore> {
  const objects = await StreamObjects.open(bus, {
    stream: COURSE_STREAM_CONFIG,
    maxBytes: MAX_COURSE_BATCH_BYTES,
    words: { object: "batch", store: "the store of time courses" },
    storage,
  });
  return new JetStreamCourses(objects);
}

class JetStreamCourses implements CourseStore {
  readonly #objects: StreamObjects;

  constructor(objects: StreamObjects) {
    this.#objects = objects;
  }

  put(name: CourseBatchName, bytes: Uint8Array): Promise<void> {
    return this.#objects.put(courseSubject(name), bytes);
  }

  async get(name: CourseBatchName): Promise<Uint8Array | undefined> {
    const message = await this.#objects.message(courseSubject(name));
    return message && bytesOf(message);
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

  delete(course: CourseName): Promise<void> {
    return this.#objects.delete(courseSubjects(course));
  }

  async #named(filter: string): Promise<CourseBatchName[]> {
    return (await this.#objects.subjects(filter)).flatMap((subject) => courseBatchName(subject) ?? []);
  }
}
