/**
 * A thread of cells with a fault: the next tick after a guest logged `throw` or `loop` throws an error in it, or never
 * ends.
 */
import { parentPort } from "node:worker_threads";
import type { Packet, ToCellThread } from "../src/cell-thread-protocol.ts";

const port = parentPort;
if (port !== null) {
  let fault: string | undefined;
  const post = port.postMessage.bind(port);
  port.postMessage = (packet: Packet) => {
    for (const message of packet) {
      if (message.kind === "event" && message.event.kind === "log") fault = message.event.line;
    }
    post(packet);
  };
  const on = port.on.bind(port);
  const onWithFault = (name: string, listener: (message: ToCellThread) => void) =>
    on(name, (message: ToCellThread) => {
      if (message.kind === "tick" && fault === "throw") throw new Error("a fault in the thread");
      while (message.kind === "tick" && fault === "loop");
      listener(message);
    });
  port.on = onWithFault as typeof port.on;
}
await import("../src/cell-thread-worker.ts");
