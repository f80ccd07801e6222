/** RLMesh in browsers: clients of environments over WebSockets, and their codec. It imports nothing of Node. */

export { SpaceCodec } from "./codec.js";
export { type Nonconformity, nonconformities, type Validation } from "./conformance.js";
export type { AutoresetMode, EnvContract } from "./contract.js";
export type { DTypeName, Elements } from "./dtypes.js";
export { float, mapOf, numberOfFloat } from "./dynamic.js";
export type { Dynamic, DynamicMap, DynamicObjectArray } from "./dynamic.js";
export type { DynamicScalar, DynamicTensor } from "./dynamic.js";
export { parseDynamic, readDynamic } from "./dynamic_reader.js";
export { serializeDynamic, writeDynamic } from "./dynamic_writer.js";
export { CodecError, RLMeshError } from "./errors.js";
export { DynamicValueSchema } from "./exact.js";
export { CALLABLE } from "./exposed_client.js";
export type { TLSOptions } from "./addresses.js";
export type { ConnectOptions } from "./remote_client.js";
export { RemoteEnv } from "./remote_env.js";
export type { Reset, ResetOptions, Step, StepOfMany } from "./remote_env.js";
export * as errors from "./remote_errors.js";
export { RemoteVectorEnv } from "./remote_vector_env.js";
export type { VectorReset, VectorResetOptions, VectorStep } from "./remote_vector_env.js";
export type { VectorStepOfMany } from "./remote_vector_env.js";
export { contains, Sampler } from "./sampling.js";
export { readSpace } from "./space_reader.js";
export { writeSpace } from "./space_writer.js";
export type * as spaces from "./spaces.js";
export type { Key, Space } from "./spaces.js";
export type { GraphValue, OneOfValue, Tensor, Value } from "./values.js";
