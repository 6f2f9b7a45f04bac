/**
 * Build of the console: static files with hashed names, no script or style inside of the page, so that the strict
 * Content-Security-Policy of the gateway needs no exception.
 */
import { defineConfig } from "vite";

export default defineConfig({
  root: "app",
  // Relative, because a proxy may serve the console below a path.
  base: "./",
  build: {
    // A data: URL would need an exception in the policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    reportCompressedSize: false,
  },
});
