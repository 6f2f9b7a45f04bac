import type { KeptGuest } from "@bioxen/vm-driver";

/** The part of the driver port for a driver whose guests end with it: it is always ready, and nothing of a guest remains. */
export abstract class EndsWithDriver {
  async whenReady(): Promise<void> {}

  kept(): readonly KeptGuest[] {
    return [];
  }

  keptGuest(): undefined {}

  async discard(): Promise<void> {}
}
