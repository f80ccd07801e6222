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

/** Schemes with a host and a port, each with what follows them. */
const SUFFIXES = { frames: "", framess: "", ws: PATH, wss: PATH, tcp: "", grpcs: "" } as const;

/** An address of a host. */
export interface HostAddress {
  readonly scheme: keyof typeof SUFFIXES;
  readonly host: string;
  readonly port: number;
}

/** An address in the file system. */
export interface PathAddress {
  readonly scheme: "frames+unix" | "unix";
  readonly path: string;
}

/** Where a server listens. */
export type Address = HostAddress | PathAddress;

const FORMS =
  "frames://HOST:PORT, framess://HOST:PORT, frames+unix:///ABSOLUTE/PATH, " +
  `ws://HOST:PORT${PATH}, wss://HOST:PORT${PATH}, or of gRPC tcp://HOST:PORT, grpcs://HOST:PORT or unix:///PATH`;

/**
 * The address of a text: of frames `frames://HOST:PORT`, `framess://HOST:PORT` or
 * `frames+unix:///PATH`; of a WebSocket `ws://HOST:PORT/rlmesh` or `wss://HOST:PORT/rlmesh`; of gRPC
 * `tcp://HOST:PORT`, `HOST:PORT`, `grpcs://HOST:PORT` or `unix:///PATH`.
 */
export function parseAddress(text: string): Address {
  const unix = /^(frames\+unix|unix):\/\/(\/.+)$/s.exec(text);
  if (unix !== null) {
    return { scheme: unix[1] as PathAddress["scheme"], path: unix[2] as string };
  }
  const parts = /^(?:([a-z]+):\/\/)?(?:\[([^\]/]+)\]|([^:/[\]]+)):([0-9]{1,5})(\/.*)?$/.exec(text);
  const scheme = parts?.[1] ?? "tcp";
  const port = Number(parts?.[4]);
  if (parts === null || port > 65_535 || !hasHost(scheme) || (parts[5] ?? "") !== SUFFIXES[scheme]) {
    throw new AddressError(`expected ${FORMS}, got ${JSON.stringify(text)}`);
  }
  return { scheme, host: parts[2] ?? (parts[3] as string), port };
}

function hasHost(scheme: string): scheme is HostAddress["scheme"] {
  return Object.hasOwn(SUFFIXES, scheme);
}

/** The text of an address. */
export function addressText(address: Address): string {
  if ("path" in address) {
    return `${address.scheme}://${address.path}`;
  }
  return `${address.scheme}://${authorityOf(address)}${SUFFIXES[address.scheme]}`;
}

/** `HOST:PORT`, with brackets around an IPv6 address. */
export function authorityOf({ host, port }: HostAddress): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Whether the address is that of a WebSocket. */
export function isWeb({ scheme }: Address): boolean {
  return scheme === "ws" || scheme === "wss";
}

/** Whether the address is that of gRPC. */
export function isGrpc({ scheme }: Address): boolean {
  return scheme === "tcp" || scheme === "grpcs" || scheme === "unix";
}

/** Whether what is sent to the address is encrypted, or never leaves the host. */
export function isPrivate(address: Address): boolean {
  return isLocal(address) || ["framess", "wss", "grpcs"].includes(address.scheme);
}

/** Refuse what is no token (Y-3); an empty one stands for none. */
export function checkToken(token: string): void {
  if (token !== "" && !/^[\x21-\x7e]{1,4096}$/.test(token)) {
    throw new TypeError("expected a token of 1 to 4096 visible ASCII characters without spaces");
  }
}

/** Whether only processes of this host reach the address. */
export function isLocal(address: Address): boolean {
  return "path" in address || /^(localhost|::1|127\..*)$/.test(address.host);
}
