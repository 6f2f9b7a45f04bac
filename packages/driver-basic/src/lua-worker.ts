/** The entry of the thread that runs every guest's Lua. A module that imports it finds the worker listening. */
import { runLuaWorker } from "./lua-messages.ts";

await runLuaWorker();
