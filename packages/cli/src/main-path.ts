import { fileURLToPath } from "node:url";

/** Path of the program that runs a command, for a process in the background. */
export const MAIN_PATH = fileURLToPath(new URL("./main.ts", import.meta.url));
