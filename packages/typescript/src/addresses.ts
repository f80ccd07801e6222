/** Addresses of servers, tokens and certificates, without input or output. */

import { AddressError } from "./remote_errors.js";

/** Path of a WebSocket (B-18). */
const PATH = "/rlmesh";

/** Certificates of one end of a connection, in PEM. */
export interface TLSOptions {
  /** Certificate of this end, with its chain. A server needs one. */
  readonly certificate?: string | Uint8Array;
  /** Private key of the certificate. */
  readonly key?: string | Uint8Array;
  /** Certificate of the authority that the peer's certificate is verified with. */
  readonly authority?: string | Uint8Array;
}

/** Where a server listens. */
export type Address =
  | { readonly scheme: "frames" | "framess" | "ws" | "wss"; readonly host: string; readonly port: number }
  | { readonly scheme: "frames+unix"; readonly path: string };

/**
 * The address of a text: `frames://HOST:PORT`, `framess://HOST:PORT`, `frames+unix:///PATH`,
 * `ws://HOST:PORT/rlmesh` or `wss://HOST:PORT/rlmesh`.
 */
export function parseAddress(text: string): Address {
  const unix = /^frames\+unix:\/\/(\/.+)$/s.exec(text);
  if (unix !== null) {
    return { scheme: "frames+unix", path: unix[1] as string };
  }
  const found = /^(framess?|wss?):\/\/(?:\[([^\]/]+)\]|([^:/[\]]+)):([0-9]{1,5})(\/.*)?$/.exec(text);
  const scheme = found?.[1] as "frames" | "framess" | "ws" | "wss";
  const port = Number(found?.[4]);
  if (found === null || port > 65_535 || found[5] !== (isWeb({ scheme }) ? PATH : undefined)) {
    const forms = `frames://HOST:PORT, framess://HOST:PORT, frames+unix:///ABSOLUTE/PATH, ws://HOST:PORT${PATH}`;
    throw new AddressError(`expected ${forms} or wss://HOST:PORT${PATH}, got ${JSON.stringify(text)}`);
  }
  const host = found[2] ?? (found[3] as string);
  return { scheme, host, port };
}

/** The text of an address. */
export function addressText(address: Address): string {
  if (address.scheme === "frames+unix") {
    return `frames+unix://${address.path}`;
  }
  const { scheme, host, port } = address;
  const authority = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  return `${scheme}://${authority}${isWeb(address) ? PATH : ""}`;
}

/** Whether the address is that of a WebSocket. */
export function isWeb({ scheme }: { readonly scheme: string }): boolean {
  return scheme === "ws" || scheme === "wss";
}

/** Refuse what is no token (Y-3); an empty one stands for none. */
export function checkToken(token: string): void {
  if (token !== "" && !/^[\x21-\x7e]{1,4096}$/.test(token)) {
    throw new TypeError("expected a token of 1 to 4096 visible ASCII characters without spaces");
  }
}

/** Whether only processes of this host reach the address. */
export function isLocal(address: Address): boolean {
  return address.scheme === "frames+unix" || /^(localhost|::1|127\..*)$/.test(address.host);
}
