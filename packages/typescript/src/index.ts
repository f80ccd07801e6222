/** RLMesh in TypeScript: the codec of spaces, values and self-describing values. */

export { SpaceCodec } from "./codec.js";
export { type Nonconformity, nonconformities } from "./conformance.js";
export type { DTypeName, Elements } from "./dtypes.js";
export { float, numberOfFloat } from "./dynamic.js";
export type { Dynamic, DynamicMap, DynamicObjectArray } from "./dynamic.js";
export type { DynamicScalar, DynamicTensor } from "./dynamic.js";
export { parseDynamic, readDynamic } from "./dynamic_reader.js";
export { serializeDynamic, writeDynamic } from "./dynamic_writer.js";
export { CodecError } from "./errors.js";
export { DynamicValueSchema } from "./exact.js";
export { readSpace } from "./space_reader.js";
export { writeSpace } from "./space_writer.js";
export type * as spaces from "./spaces.js";
export type { Key, Space } from "./spaces.js";
export type { GraphValue, OneOfValue, Tensor, Value } from "./values.js";
