/** The spec of a model: what its clients have to know before they ask. */

import { create } from "@bufbuild/protobuf";
import { SPEC_VERSION } from "@rlmesh/proto";
import * as proto from "@rlmesh/proto/model/v1/spec_pb";

import { type DynamicMap, mapOf } from "./dynamic.js";
import { readDynamicMap } from "./dynamic_reader.js";
import { writeDynamicMap } from "./dynamic_writer.js";
import { malformed } from "./errors.js";
import type { Model } from "./model.js";
import { writeSpace } from "./space_writer.js";

const { PredictForm } = proto;

/** A form in which a model can be asked. */
export type FormName = "single" | "batch" | "chunk" | "chunk_batch";

const FORMS: Readonly<Record<FormName, proto.PredictForm>> = {
  single: PredictForm.SINGLE,
  batch: PredictForm.BATCH,
  chunk: PredictForm.CHUNK,
  chunk_batch: PredictForm.CHUNK_BATCH,
};

/** The description of a model. */
export interface ModelSpec {
  /** Name of the model; may be empty. */
  readonly id: string;
  /** Forms that it can be asked in. */
  readonly forms: readonly FormName[];
  /** Length of its chunks; null: not fixed, or it predicts none. */
  readonly chunkLength: number | null;
  /** Whether it has to receive every observation of an episode. */
  readonly stateful: boolean;
  readonly metadata: DynamicMap;
}

/** The number of a form on the wire. */
export function formOf(name: FormName): proto.PredictForm {
  return FORMS[name];
}

/**
 * The spec of a message, checked by T-4.
 *
 * @throws CodecError at the first rule that is broken.
 */
export function readSpec(message: proto.ModelSpec): ModelSpec {
  const { id, predictForms, adaptation, chunkLength, stateful, metadata } = message;
  const names = Object.keys(FORMS) as FormName[];
  const forms = names.filter((name) => predictForms.includes(FORMS[name]));
  if (predictForms.length === 0 || predictForms.includes(PredictForm.UNSPECIFIED)) {
    throw malformed("predict_forms", "at least one form that is specified", String(predictForms));
  }
  if (proto.Adaptation[adaptation] === undefined) {
    throw malformed("adaptation", "an adaptation of this spec", String(adaptation));
  }
  checkNames(message.inputs, "inputs");
  checkNames(message.outputs.filter(({ offset }) => offset === undefined), "outputs");
  return {
    id,
    forms,
    chunkLength: chunkLength === 0 ? null : chunkLength,
    stateful,
    metadata: readDynamicMap(metadata, "metadata"),
  };
}

function checkNames(parts: readonly { readonly name: string }[], path: string): void {
  const names = parts.map(({ name }) => name);
  if (new Set(names).size !== names.length || (names.length > 1 && names.includes(""))) {
    throw malformed(path, "distinct names, an empty one only alone", names.join(", "));
  }
}

/**
 * The message of a model's spec.
 *
 * @throws CodecError if a space of the model breaks a rule.
 */
export function writeSpec(model: Model): proto.ModelSpec {
  const { id, observationSpace, actionSpace, metadata = mapOf({}) } = model;
  const chunks = model.predictChunk === undefined ? [] : [FORMS.chunk, FORMS.chunk_batch];
  return create(proto.ModelSpecSchema, {
    id,
    specVersion: SPEC_VERSION,
    predictForms: [FORMS.single, FORMS.batch, ...chunks],
    chunkLength: model.chunkLength ?? 0,
    adaptation: proto.Adaptation.NONE,
    stateful: model.stateful ?? false,
    ...(observationSpace && { observationSpace: writeSpace(observationSpace, "observation_space") }),
    ...(actionSpace && { actionSpace: writeSpace(actionSpace, "action_space") }),
    ...(metadata.entries.length > 0 && { metadata: writeDynamicMap(metadata, "metadata") }),
  });
}
