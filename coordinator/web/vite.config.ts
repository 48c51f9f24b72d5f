import { defineConfig } from "vite";

/** The coordinator behind `npm run dev` and `vite preview`. */
const COORDINATOR = process.env.VELELLA_COORDINATOR ?? "http://127.0.0.1:5002";

export default defineConfig({
  build: {
    // Every browser that can hold a WebRTC call with the published client.
    target: "es2022",
    // Files, never data addresses: a strict content security policy stays possible.
    assetsInlineLimit: 0,
    // The browsers above preload modules by themselves.
    modulePreload: { polyfill: false },
    // hls.js is as large as that by itself, and only who watches a broadcast loads it.
    chunkSizeWarningLimit: 640,
    rollupOptions: { input: { meeting: "index.html", admin: "admin.html" } },
  },
  server: {
    host: "127.0.0.1",
    proxy: {
      "/demo": COORDINATOR,
      "/cluster": COORDINATOR,
      "/hls": COORDINATOR,
      "/api": { target: COORDINATOR, ws: true },
    },
  },
});
