/**
 * `bioxen top`: a live view of the fleet that fills the terminal. When stdout is not a terminal, it prints the view at
 * each interval.
 */
import { emitKeypressEvents } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command, Option } from "commander";
import { endOf } from "../outcome.ts";
import { numberIn, oneOf } from "../parse.ts";
import { say, sayJson, withSession } from "../run.ts";
import type { Session } from "../session.ts";
import { COLUMNS } from "../top/columns.ts";
import { FIRST_VIEW, frameOf, type TopSize, type TopView } from "../top/frame.ts";
import { afterKey, type Key } from "../top/keys.ts";
import { type TopPicture, takePicture } from "../top/picture.ts";
import { untilInterrupted } from "../until.ts";

/** Default time between two frames of the view, s. Samples arrive once a second. */
const DEFAULT_INTERVAL_S = 1;
const SHORTEST_INTERVAL_S = 0.1;
const LONGEST_INTERVAL_S = 3_600;
const intervalOption = numberIn({ min: SHORTEST_INTERVAL_S, max: LONGEST_INTERVAL_S });
/** Size of a printed frame when stdout is not a terminal, characters. */
const PAPER: TopSize = { columns: 120, rows: 60 };
/**
 * Control sequence that switches to the alternate screen of the terminal and hides the cursor. Leaving that screen
 * restores the former content.
 */
const ENTER = "\u001b[?1049h\u001b[?25l";
const LEAVE = "\u001b[?25h\u001b[?1049l";

export function addTopCommand(program: Command): void {
  program
    .command("top")
    .description("live view of fleet, chassis and VMs")
    .option("--once", "print one frame and exit")
    .option("--interval <s>", "time between two frames, s", intervalOption, DEFAULT_INTERVAL_S)
    .addOption(sortOption())
    .action(async (options: { once?: boolean; interval: number; sort: string }, command: Command) => {
      await withSession(
        command,
        async (session, { json }) => {
          const view = { ...FIRST_VIEW, sortedBy: options.sort };
          const isLive = process.stdout.isTTY === true && process.stdin.isTTY === true;
          if (options.once === true || json === true) {
            const picture = await takePicture(session);
            if (json === true) sayJson({ ok: true, ...picture });
            else say(frameOf(picture, view, sizeOf()).slice(0, -1).join("\n"));
            return;
          }
          await (isLive ? live : blocks)(session, view, options.interval * 1_000);
        },
        { repeat: false },
      );
    });
}

/** The --sort option; lower case is accepted too. */
function sortOption(): Option {
  const names = COLUMNS.map(({ name }) => name);
  const option = oneOf("--sort <column>", "sort VMs by this column", names).default(FIRST_VIEW.sortedBy);
  const parse = option.parseArg;
  return option.argParser((text) => parse?.(text.toUpperCase(), "") ?? text);
}

function sizeOf(): TopSize {
  const { columns, rows, isTTY } = process.stdout;
  return isTTY === true ? { columns, rows } : PAPER;
}

async function blocks(session: Session, view: TopView, intervalMs: number): Promise<void> {
  let over = false;
  void untilInterrupted().then(() => {
    over = true;
  });
  while (!over) {
    say(
      `${frameOf(await takePicture(session), view, PAPER)
        .slice(0, -1)
        .join("\n")}\n`,
    );
    await sleep(intervalMs);
  }
}

/**
 * Redraws the view at each interval, at each key press, and when the terminal changes its size. Restores the terminal
 * at every exit.
 */
async function live(session: Session, first: TopView, intervalMs: number): Promise<void> {
  let view = first;
  let picture: TopPicture | undefined;
  let trouble: string | undefined;
  let end: (cause?: unknown) => void = () => undefined;
  const ended = new Promise<void>((resolve, reject) => {
    end = (cause) => (cause === undefined ? resolve() : reject(cause));
  });
  const draw = () => {
    if (picture === undefined) return;
    const lines = frameOf(picture, view, sizeOf(), trouble);
    process.stdout.write(`\u001b[H${lines.map((line) => `${line}\u001b[K`).join("\r\n")}\u001b[J`);
  };
  const onKey = (_text: string, key: Key) => {
    const next = afterKey(view, key);
    if (next === undefined) return end();
    view = next;
    draw();
  };
  let timer: NodeJS.Timeout | undefined;
  const look = async () => {
    if (!view.paused || picture === undefined) {
      try {
        picture = await takePicture(session);
        trouble = undefined;
      } catch (thrown) {
        // The last frame stays on the screen with the error, because the service may become reachable again.
        if (picture === undefined) throw thrown;
        trouble = endOf(thrown).message;
      }
    }
    draw();
    timer = setTimeout(() => void look().catch(end), intervalMs);
  };
  const leaveScreen = () => process.stdout.write(LEAVE);
  process.once("exit", leaveScreen);
  process.stdout.write(ENTER);
  emitKeypressEvents(process.stdin);
  process.stdin.setRawMode(true).resume().on("keypress", onKey);
  process.stdout.on("resize", draw);
  void untilInterrupted().then(() => end());
  try {
    await Promise.race([look(), ended]);
    await ended;
  } finally {
    clearTimeout(timer);
    process.stdout.off("resize", draw);
    process.stdin.off("keypress", onKey).setRawMode(false).pause();
    process.off("exit", leaveScreen);
    leaveScreen();
  }
}
