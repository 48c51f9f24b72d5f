// Peer tokens as the server signs them (HS256), with claims that it would not give out.

import { createHmac } from "node:crypto";
import { TOKEN_SECRET } from "./server";

type Claims = Record<string, unknown>;

/** The same token with other claims, signed as if by the server. */
export function resigned(token: string, change: Claims): string {
  const unsigned = forged(token, change).split(".").slice(0, 2).join(".");
  return `${unsigned}.${createHmac("sha256", TOKEN_SECRET).update(unsigned).digest("base64url")}`;
}

/** The same token with other claims under the old signature. */
export function forged(token: string, change: Claims): string {
  const [head = "", body = "", seal = ""] = token.split(".");
  const claims = { ...(JSON.parse(Buffer.from(body, "base64url").toString()) as Claims), ...change };
  return [head, Buffer.from(JSON.stringify(claims)).toString("base64url"), seal].join(".");
}
