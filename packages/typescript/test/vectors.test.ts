/** Every case of every folder of the golden vectors, in a test of its own. */

import { after, describe, test } from "node:test";

import { CHECKS } from "./checks.js";
import { cases, type Folders } from "./vectors.js";

const checked = new Map<string, number>();

function checkAll<Folder extends keyof Folders>(folder: Folder): void {
  describe(folder, () => {
    for (const one of cases(folder)) {
      test(one.name, () => {
        CHECKS[folder](one);
        checked.set(folder, (checked.get(folder) ?? 0) + 1);
      });
    }
  });
}

checkAll("valid/spaces");
checkAll("valid/values");
checkAll("valid/dynamic");
checkAll("invalid/spaces");
checkAll("invalid/values");
checkAll("invalid/dynamic");

// tests/conformance/test_node_vectors.py compares these with the cases that it counts itself.
after(() => checked.forEach((count, folder) => console.log(`checked ${folder}: ${count}`)));
