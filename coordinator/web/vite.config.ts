import { defineConfig } from "vite";

/** Where a locally running coordinator listens. */
const COORDINATOR = "http://127.0.0.1:5002";

export default defineConfig({
  build: {
    // Every browser that can hold a WebRTC call with the published client.
    target: "es2022",
    // Files, never data addresses: a strict content security policy stays possible.
    assetsInlineLimit: 0,
  },
  server: {
    host: "127.0.0.1",
    proxy: { "/demo": COORDINATOR, "/api": { target: COORDINATOR, ws: true } },
  },
});
