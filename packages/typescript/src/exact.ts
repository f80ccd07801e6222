/**
 * DynamicValue with the bits of its float.
 *
 * The generated type gives `float_value` as a number, and an engine may change a NaN that it holds
 * as one: ECMAScript allows that, and V8 does it in arrays. The same eight bytes read as a fixed64
 * are a BigInt. So this is the generated schema with the type of that one field changed.
 */

import { clone, create, createFileRegistry } from "@bufbuild/protobuf";
import { FieldDescriptorProto_Type, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { file_rlmesh_proto_spaces_v1_dtype as dtypes } from "@rlmesh/proto/spaces/v1/dtype_pb";
import { DynamicValueSchema as Generated } from "@rlmesh/proto/spaces/v1/value_pb";

/** The schema of DynamicValue whose `floatValue` is a BigInt although its type is number. */
export const DynamicValueSchema = exact();

function exact(): typeof Generated {
  const values = clone(FileDescriptorProtoSchema, Generated.file.proto);
  const message = values.messageType.find(({ name }) => name === Generated.name);
  const field = message?.field.find(({ name }) => name === "float_value");
  if (field?.type !== FieldDescriptorProto_Type.DOUBLE) {
    throw new TypeError("expected a double DynamicValue.float_value in the schema");
  }
  field.type = FieldDescriptorProto_Type.FIXED64;
  const file = [dtypes.proto, values];
  const found = createFileRegistry(create(FileDescriptorSetSchema, { file })).getMessage(
    Generated.typeName,
  );
  return found as typeof Generated;
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
