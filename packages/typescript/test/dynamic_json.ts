/** Self-describing values to the JSON of the vectors and from it. */

import type { Dynamic } from "../src/dynamic.js";
import { dataOf, describeTensor } from "./json.js";
import { base64, bytes, type Tagged } from "./vectors.js";

/** A self-describing value as JSON. */
export function describeDynamic(value: Dynamic): Tagged {
  switch (value.kind) {
    case "null":
      return { null: null };
    case "int":
      return { int: String(value.value) };
    case "float":
      return { float: base64(floatBytes(value.bits)) };
    case "bytes":
      return { bytes: base64(value.value) };
    case "scalar": {
      const { dtype, data } = describeTensor({ ...value, shape: [] });
      return { scalar: { dtype, data } };
    }
    case "tensor":
      return { tensor: describeTensor(value) };
    case "object_array":
      return {
        object_array: { shape: value.shape, elements: value.elements.map(describeDynamic) },
      };
    case "map":
      return { map: value.entries.map((pair) => pair.map(describeDynamic)) };
    case "list":
    case "tuple":
      return { [value.kind]: value.elements.map(describeDynamic) };
    default:
      return { [value.kind]: value.value };
  }
}

function floatBytes(bits: bigint): Uint8Array {
  const data = new Uint8Array(8);
  new DataView(data.buffer).setBigUint64(0, bits, true);
  return data;
}

/** The self-describing value of JSON. */
export function dynamicOf(json: Tagged): Dynamic {
  const [[kind, body]] = Object.entries(json) as [[Dynamic["kind"], any]];
  switch (kind) {
    case "null":
      return { kind };
    case "int":
      return { kind, value: BigInt(body) };
    case "float": {
      const data = bytes(body);
      const view = new DataView(data.buffer, data.byteOffset, data.length);
      return { kind, bits: view.getBigUint64(0, true) };
    }
    case "bytes":
      return { kind, value: bytes(body) };
    case "scalar":
      return { kind, dtype: body.dtype, data: dataOf(body) };
    case "tensor":
      return { kind, dtype: body.dtype, shape: body.shape, data: dataOf(body) };
    case "object_array":
      return { kind, shape: body.shape, elements: body.elements.map(dynamicOf) };
    case "map":
      return {
        kind,
        entries: body.map(([key, value]: [Tagged, Tagged]) => [dynamicOf(key), dynamicOf(value)]),
      };
    case "list":
    case "tuple":
      return { kind, elements: body.map(dynamicOf) };
    default:
      return { kind, value: body };
  }
}
