/**
 * DynamicValue with the bits of its float.
 *
 * The generated type gives `float_value` as a number, and an engine may change a NaN that it holds
 * as one: ECMAScript allows that, and V8 does it in arrays. The same eight bytes read as a fixed64
 * are a BigInt. So these are generated schemas with the type of that one field changed.
 */

import { clone, create, createFileRegistry, type DescFile, type DescMessage } from "@bufbuild/protobuf";
import { FieldDescriptorProto_Type, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { type FileDescriptorProto, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import * as env from "@rlmesh/proto/env/v1/env_pb";
import * as model from "@rlmesh/proto/model/v1/model_pb";
import { DynamicValueSchema as Generated } from "@rlmesh/proto/spaces/v1/value_pb";

const REGISTRY = exact();

/** The schema of DynamicValue whose `floatValue` is a BigInt although its type is number. */
export const DynamicValueSchema = schemaOf(Generated);
/** The schema of requests to an environment, with such DynamicValues. */
export const SessionRequestSchema = schemaOf(env.SessionRequestSchema);
/** The schema of an environment's answers, with such DynamicValues. */
export const SessionResponseSchema = schemaOf(env.SessionResponseSchema);
/** The schema of requests to a model, with such DynamicValues. */
export const ModelRequestSchema = schemaOf(model.SessionRequestSchema);
/** The schema of a model's answers, with such DynamicValues. */
export const ModelResponseSchema = schemaOf(model.SessionResponseSchema);

function exact(): ReturnType<typeof createFileRegistry> {
  const seen = new Set<string>();
  const services = [env.file_rlmesh_proto_env_v1_env, model.file_rlmesh_proto_model_v1_model];
  const file = services.flatMap((service) => [...filesOf(service, seen)]);
  return createFileRegistry(create(FileDescriptorSetSchema, { file }));
}

/** A file after those that it imports, each once; the one with DynamicValue is changed. */
function* filesOf(file: DescFile, seen: Set<string>): Generator<FileDescriptorProto> {
  if (seen.has(file.name)) {
    return;
  }
  seen.add(file.name);
  for (const other of file.dependencies) {
    yield* filesOf(other, seen);
  }
  yield file.name === Generated.file.name ? changed(file.proto) : file.proto;
}

function changed(file: FileDescriptorProto): FileDescriptorProto {
  const values = clone(FileDescriptorProtoSchema, file);
  const message = values.messageType.find(({ name }) => name === Generated.name);
  const field = message?.field.find(({ name }) => name === "float_value");
  if (field?.type !== FieldDescriptorProto_Type.DOUBLE) {
    throw new TypeError("expected a double DynamicValue.float_value in the schema");
  }
  field.type = FieldDescriptorProto_Type.FIXED64;
  return values;
}

function schemaOf<Schema extends DescMessage>(generated: Schema): Schema {
  const found = REGISTRY.getMessage(generated.typeName);
  if (found === undefined) {
    throw new TypeError(`expected ${generated.typeName} in the schema`);
  }
  return found as Schema;
}

/** The bits of a float that was read with this schema. */
export function bitsOf(floatValue: number): bigint {
  const bits: unknown = floatValue;
  if (typeof bits !== "bigint") {
    throw new TypeError("expected a message of the exact DynamicValueSchema of this package");
  }
  return bits;
}

/** What to write with this schema for a float of these bits. */
export function floatOf(bits: bigint): number {
  const floatValue: unknown = bits;
  return floatValue as number;
}
