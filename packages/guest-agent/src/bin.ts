#!/usr/bin/env node
/** Starts the command `bioxen-cell`. The executable runs this module as a script, which has no `await` of its own. */
import { main } from "./main.ts";

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
