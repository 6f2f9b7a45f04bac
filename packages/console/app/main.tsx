import "uplot/dist/uPlot.min.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/parts.css";
import "./styles/controls.css";
import "./styles/list.css";
import { render } from "preact";
import { App } from "./app.tsx";
import { goLive, logIn, session } from "./live.ts";

const root = document.getElementById("app");
if (root !== null) render(<App />, root);
await logIn();
if (session.value != null) await goLive();
else {
  // A gateway that is down at the first try answers later.
  const stop = session.subscribe((value) => {
    if (value == null) return;
    queueMicrotask(() => stop());
    void goLive();
  });
}
