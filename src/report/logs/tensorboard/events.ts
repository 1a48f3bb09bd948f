import protobuf from 'protobufjs';
import type { SavedEpoch } from '../../../store/run-store.js';
import { appendToFile } from '../../../system/files.js';
import { type Log, numbersOf } from '../log.js';
import { lambdaMap } from './lambda-map.js';
import { tfrecord } from './tfrecord.js';

/** The fields that are written, by the names and numbers of TensorFlow's event.proto, summary.proto and tensor.proto. */
const { root } = protobuf.parse(
  `
syntax = "proto3";

message Event {
  double wall_time = 1;  // Seconds since 1970.
  int64 step = 2;
  oneof what { string file_version = 3; Summary summary = 5; SessionLog session_log = 7; }
}
message SessionLog {
  enum SessionStatus { STATUS_UNSPECIFIED = 0; START = 1; }
  SessionStatus status = 1;
}
message Summary { repeated SummaryValue value = 1; }
message SummaryValue {
  string tag = 1;
  SummaryMetadata metadata = 9;
  oneof value { float simple_value = 2; Tensor tensor = 8; }
}
message SummaryMetadata {
  PluginData plugin_data = 1;
  string display_name = 2;
  string summary_description = 3;
}
message PluginData { string plugin_name = 1; }
message Tensor {
  enum Type { DT_INVALID = 0; DT_STRING = 7; }
  Type dtype = 1;
  Shape tensor_shape = 2;
  repeated bytes string_val = 8;
}
message Shape { repeated Dim dim = 2; }
message Dim { int64 size = 1; }
`,
  { keepCase: true },
);
const eventType = root.lookupType('Event');

/** A record of an events file: what happened at a step. A step is an epoch, counted from 0 as in metrics.jsonl. */
function event(step: number, what: Readonly<Record<string, unknown>>): Buffer {
  const message = eventType.fromObject({ wall_time: Date.now() / 1000, step, ...what });
  return tfrecord(eventType.encode(message).finish());
}

/**
 * Begins an events file. `next`: the next epoch where there are older files, so it begins with the start of a session,
 * which makes TensorBoard drop what they have of that epoch and later ones.
 */
export async function beginEvents(file: string, next: number | undefined): Promise<Log> {
  const start = next === undefined ? [] : [event(next, { session_log: { status: 'START' } })];
  await appendToFile(file, Buffer.concat([event(0, { file_version: 'brain.Event:2' }), ...start]));
  return {
    async epoch({ metrics }) {
      const value = [...[...numbersOf(metrics)].map(scalar), ...(await images(metrics))];
      await appendToFile(file, event(metrics.epoch, { summary: { value } }));
    },
    async end({ accuracy, best }) {
      if (accuracy === null) return;
      await appendToFile(file, event(best.epoch, { summary: { value: [scalar(['testAccuracy', accuracy])] } }));
    },
  };
}

const scalar = ([tag, simple_value]: readonly [string, number]) => ({ tag, simple_value });

/** A map of λ for each source whose λ is learned. */
async function images({ pairs }: SavedEpoch['metrics']) {
  const values: Record<string, unknown>[] = [];
  for (const source of new Set(pairs.map((pair) => pair.source))) {
    const map = await lambdaMap(pairs.filter((pair) => pair.source === source));
    if (map === undefined) continue;
    const { png, width, height, description } = map;
    values.push({
      tag: `lambda/${source}`,
      metadata: {
        plugin_data: { plugin_name: 'images' },
        display_name: `λ of source ${source}`,
        summary_description: description,
      },
      tensor: {
        dtype: 'DT_STRING',
        tensor_shape: { dim: [{ size: 3 }] },
        string_val: [Buffer.from(String(width)), Buffer.from(String(height)), png],
      },
    });
  }
  return values;
}
