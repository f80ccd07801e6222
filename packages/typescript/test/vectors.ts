/** Reads the golden vectors; spec/vectors/README.md has their format. */

import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import type { Transcript } from "./transcripts.js";

/** The JSON of a space or a value: one member, named after its kind. */
export type Tagged = Record<string, any>;

export interface SpaceCase {
  name: string;
  space_proto: string;
  canonical_proto?: string;
  space: Tagged;
}

export interface ValueCase {
  name: string;
  space_proto: string;
  space: Tagged;
  batch_size: number | null;
  slabs: string[];
  conforms: boolean;
  value: Tagged;
}

export interface DynamicCase {
  name: string;
  proto: string;
  canonical_proto?: string;
  value: Tagged;
}

/** The facts of every invalid case. */
export interface Broken {
  contract: string;
  code: string;
  error_path: string;
}

export type InvalidSpaceCase = Pick<SpaceCase, "name" | "space_proto"> & Broken;
export type InvalidValueCase = Omit<ValueCase, "conforms" | "value"> & Broken;
export type InvalidDynamicCase = Pick<DynamicCase, "name" | "proto"> & Broken;

/** The folders, and what their cases are. */
export interface Folders {
  "valid/spaces": SpaceCase;
  "valid/values": ValueCase;
  "valid/dynamic": DynamicCase;
  "invalid/spaces": InvalidSpaceCase;
  "invalid/values": InvalidValueCase;
  "invalid/dynamic": InvalidDynamicCase;
}

/** Folders of transcripts, and what their cases are. */
export interface SessionFolders {
  "sessions/env": Transcript;
  "sessions/frames": Transcript;
  "sessions/model": Transcript;
}

type AllFolders = Folders & SessionFolders;

const VECTORS =
  process.env.RLMESH_VECTORS ?? fileURLToPath(new URL("../../../../spec/vectors", import.meta.url));

/** Every case of a folder; a folder that is missing or has none is an error. */
export function cases<Folder extends keyof AllFolders>(folder: Folder): AllFolders[Folder][] {
  const found: AllFolders[Folder][] = [];
  for (const name of readdirSync(path.join(VECTORS, folder)).sort()) {
    const file = path.join(VECTORS, folder, name);
    const document = JSON.parse(readFileSync(file, "ascii"));
    if (document.format !== 1) {
      throw new Error(`${file}: expected format 1, got ${document.format}`);
    }
    found.push(...document.cases);
  }
  if (found.length === 0) {
    throw new Error(`${folder}: expected cases, found none`);
  }
  return found;
}

/** The bytes of standard base64 with padding, and of nothing else. */
export function bytes(text: string): Uint8Array {
  const data = Buffer.from(text, "base64");
  if (data.toString("base64") !== text) {
    throw new Error(`expected base64, got ${JSON.stringify(text)}`);
  }
  return data;
}

/** Standard base64 with padding. */
export function base64(data: Uint8Array): string {
  return Buffer.from(data).toString("base64");
}
