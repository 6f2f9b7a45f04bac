import { runGateway } from "@bioxen/service-host";
import { openGateway } from "./src/adapters/gateway.ts";

await runGateway({ open: openGateway });
