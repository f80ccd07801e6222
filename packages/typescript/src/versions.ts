/** The rule by which two spec versions talk to each other (E-2). */

import { SPEC_VERSION } from "@rlmesh/proto";

const FINAL = /^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$/;

/** Whether this package talks to a peer of a version: equal, or final with the same MAJOR. */
export function talksTo(version: string, ours = SPEC_VERSION): boolean {
  const [theirs, own] = [FINAL.exec(version), FINAL.exec(ours)];
  if (theirs !== null && own !== null) {
    return theirs[1] === own[1];
  }
  return version === ours && (own !== null || /rc|-/.test(version));
}
