/** Certificates of programs that tests start, by the paths of their files. */

import { readFileSync } from "node:fs";

import type { TLSOptions } from "../src/index.js";

/** Path of each part of `TLSOptions`. */
export type FilesOfTLS = Readonly<Partial<Record<keyof TLSOptions, string>>>;

/** The option `tls` of a client or server. */
export function tlsOf(files: FilesOfTLS | undefined): { tls?: TLSOptions } {
  if (files === undefined) {
    return {};
  }
  const read = Object.entries(files).map(([name, path]) => [name, readFileSync(path)]);
  return { tls: Object.fromEntries(read) as TLSOptions };
}
