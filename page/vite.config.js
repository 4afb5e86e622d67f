// One classic script and one style sheet, without hashes in their names, where the Python package finds them.
import { defineConfig } from "vite";

export default defineConfig({
  logLevel: "warn",
  build: {
    outDir: process.env.PAGE_OUT ?? "../harness/report/html/assets",
    emptyOutDir: true,
    target: "es2022",
    cssMinify: true,
    minify: true,
    lib: { entry: "src/main.tsx", formats: ["iife"], name: "page", fileName: () => "page.js", cssFileName: "page" },
  },
});
