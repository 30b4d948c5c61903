import { svelte } from "@sveltejs/vite-plugin-svelte";
import { svelteTesting } from "@testing-library/svelte/vite";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const server = process.env.DRIVETRAIN_SERVER ?? "http://127.0.0.1:8000";

/**
 * Puts the script that sets the theme before anything else. Modules run too late for it, and the content-security policy
 * allows none within the page, so it is a file of its own; with a hash in its name like all others, as they are cached for good.
 */
function firstTheme(): Plugin {
  const script = readFileSync(new URL("src/first-theme.js", import.meta.url), "utf8");
  const fileName = `assets/theme-${createHash("sha256").update(script).digest("hex").slice(0, 8)}.js`;
  let building = false;
  return {
    name: "first-theme",
    configResolved: (config) => void (building = config.command === "build"),
    generateBundle() {
      this.emitFile({ type: "asset", fileName, source: script });
    },
    transformIndexHtml: (_html, { path }) =>
      path.startsWith("/docs") ? [] : [{ tag: "script", attrs: { src: building ? `/${fileName}` : "/src/first-theme.js" }, injectTo: "head-prepend" }],
  };
}

export default defineConfig({
  plugins: [svelte(), firstTheme(), svelteTesting()],
  build: {
    outDir: process.env.DRIVETRAIN_STATIC ?? "../src/drivetrain/serve/static",
    emptyOutDir: true,
    target: "es2022",
    // The content-security policy allows images as data, but an asset of its own is cached and easier to audit.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // What the bundled packages ask to be passed on with them.
    license: { fileName: "licences.md" },
    chunkSizeWarningLimit: 2000,
    rollupOptions: { input: { index: "index.html", docs: "docs/index.html" }, checks: { pluginTimings: false } },
  },
  server: { proxy: { "/v1": server, "/v2": server, "/openapi.json": server } },
  test: { environment: "jsdom", include: ["tests/**/*.test.ts"], setupFiles: ["tests/setup.ts"], restoreMocks: true, testTimeout: 20_000 },
});
