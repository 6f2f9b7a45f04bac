/**
 * The drain of each chassis, as it is documented (docs/moving.md): one at a time, everybody it names leaves once or is named as staying,
 * and nobody is said to have gone who lives there.
 */
import type { DrainEvent } from "@bioxen/contracts";

interface DrainStory {
  isOpen: boolean;
  wasCordoned: boolean;
  readonly named: Set<string>;
  readonly left: Set<string>;
}

export class DrainStories {
  readonly #stories = new Map<string, DrainStory>();

  /** What is wrong with this event; `livesHere`: this VM is on that chassis now. */
  observe(chassisId: string, body: DrainEvent, livesHere: (vmId: string) => boolean): string[] {
    const story = this.#stories.get(chassisId);
    if (body.type === "bioxen.drain.started.v1") {
      const { vmIds, wasCordoned } = body.data;
      this.#stories.set(chassisId, { isOpen: true, wasCordoned, named: new Set(vmIds), left: new Set() });
      return story?.isOpen === true ? ["it is being drained already"] : [];
    }
    if (story?.isOpen !== true) return [`${body.type} of a drain that does not go on`];
    const out: string[] = [];
    if ("left" in body.data) {
      for (const { vmId } of body.data.left) {
        if (!story.named.has(vmId)) out.push(`${vmId} left, and was never to leave`);
        if (story.left.has(vmId)) out.push(`${vmId} left a second time`);
        if (livesHere(vmId)) out.push(`${vmId} is said to have left, and lives there`);
        story.left.add(vmId);
      }
    }
    if (body.type === "bioxen.drain.progressed.v1") {
      for (const vmId of body.data.joined) {
        if (story.named.has(vmId)) out.push(`${vmId} came a second time`);
        story.named.add(vmId);
      }
      return out;
    }
    story.isOpen = false;
    if (body.type === "bioxen.drain.completed.v1") {
      const still = [...story.named].filter((vmId) => !story.left.has(vmId));
      if (still.length > 0) out.push(`it is completed, and nobody said that ${still.join(", ")} left`);
    }
    if (body.type === "bioxen.drain.cancelled.v1" && body.data.uncordons === story.wasCordoned) {
      out.push("it takes back a cordon that is not its own, or leaves its own");
    }
    return out;
  }
}
