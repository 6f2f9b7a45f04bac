/**
 * The wait of a process that has caught up with the log and must not work yet, because another process still does the
 * same work.
 *
 * A waiting process must be easy to find. Its `/ready`, its status samples and its answer to the discovery of services
 * give the reason for the wait. To answer the discovery, the process opens an inbox without endpoints (the "lobby").
 * No request reaches a process through such an inbox.
 */
import { type Logger, messageOf } from "@bioxen/kernel";
import type { Inbox } from "@bioxen/nats";
import type { ProcessEnd } from "./process-end.ts";
import type { ProcessVitals } from "./vitals.ts";

export interface AdmissionOptions {
  /** The service that waits. Its `admitted` resolves when the service may begin (`Service` in `host.ts`). */
  readonly service: { admitted?(onWait: (reason: string) => void): Promise<void> };
  readonly vitals: Pick<ProcessVitals, "waits">;
  readonly end: Pick<ProcessEnd, "during" | "closes">;
  readonly logger: Logger;
  /** Opens an inbox without endpoints, which only answers the discovery of services, and gives `reason` there. */
  readonly openLobby: (reason: string) => Promise<Inbox>;
}

/** Resolves once the service may begin. Rejects with `EndRequested` when an end is requested earlier. */
export async function whenAdmitted(options: AdmissionOptions): Promise<void> {
  const { service, vitals, end, logger, openLobby } = options;
  if (service.admitted === undefined) return;
  // The inbox without endpoints. Each opening or closing waits for the previous one to end, because the reason can
  // change while an inbox opens.
  let lobby: Promise<Inbox | undefined> = Promise.resolve(undefined);
  const leave = () => {
    lobby = lobby.then(async (inbox) => {
      await inbox?.stop();
      return undefined;
    });
    return lobby;
  };
  end.closes(leave);
  const granted = service.admitted((reason) => {
    vitals.waits(reason);
    void leave();
    lobby = lobby
      .then(() => openLobby(reason))
      .catch((thrown: unknown) => {
        logger.warn({ err: thrown }, `the discovery does not show this instance: ${messageOf(thrown)}`);
        return undefined;
      });
  });
  await end.during(granted);
  vitals.waits(undefined);
  await end.during(leave());
}
