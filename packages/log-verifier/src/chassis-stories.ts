/**
 * What happened to each chassis, as far as it says what may happen next: registered before anything else, lost before recovered.
 */
import type { ChassisEvent } from "@bioxen/contracts";

interface ChassisStory {
  registered: boolean;
  lost: boolean;
  everLost: boolean;
}

export class ChassisStories {
  readonly #stories = new Map<string, ChassisStory>();

  /** What is wrong with this event where the chassis stands; undefined when nothing is. */
  observe(chassisId: string, { type }: ChassisEvent): string | undefined {
    const story = this.#stories.get(chassisId) ?? { registered: false, lost: false, everLost: false };
    this.#stories.set(chassisId, story);
    if (type === "bioxen.chassis.registered.v1") {
      const problem = story.registered ? "it is registered already" : undefined;
      story.registered = true;
      story.lost = false;
      return problem;
    }
    if (!story.registered) return `${type} of a chassis that is not registered`;
    if (type === "bioxen.chassis.removed.v1") story.registered = false;
    if (type === "bioxen.chassis.lost.v1") {
      if (story.lost) return "it is lost already";
      story.lost = true;
      story.everLost = true;
    }
    if (type === "bioxen.chassis.recovered.v1") {
      if (!story.lost) return "it was not lost";
      story.lost = false;
    }
    return undefined;
  }

  wasLost(chassisId: string): boolean {
    return this.#stories.get(chassisId)?.everLost === true;
  }
}
