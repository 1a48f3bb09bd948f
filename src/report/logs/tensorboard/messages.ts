import protobuf from 'protobufjs';

/**
 * The messages that are written, with the fields that are written, by the published names and numbers: TensorFlow's
 * event.proto, summary.proto and tensor.proto, the HParams plugin's plugin_data.proto and api.proto, and Value of
 * google/protobuf/struct.proto.
 */
const declared = `
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
message PluginData { string plugin_name = 1; bytes content = 2; }
message Tensor {
  enum Type { DT_INVALID = 0; DT_FLOAT = 1; DT_STRING = 7; }
  Type dtype = 1;
  Shape tensor_shape = 2;
  repeated bytes string_val = 8;
}
message Shape { repeated Dim dim = 2; }
message Dim { int64 size = 1; }

message HParamsPluginData {
  int32 version = 1;
  oneof data { Experiment experiment = 2; SessionStartInfo session_start_info = 3; SessionEndInfo session_end_info = 4; }
}
message Experiment { repeated HParamInfo hparam_infos = 4; repeated MetricInfo metric_infos = 5; }
message HParamInfo {
  enum DataType { DATA_TYPE_UNSET = 0; DATA_TYPE_STRING = 1; DATA_TYPE_FLOAT64 = 3; }
  string name = 1;
  DataType type = 4;
}
message MetricInfo { MetricName name = 1; string display_name = 3; }
message MetricName { string tag = 2; }
message SessionStartInfo { map<string, Value> hparams = 1; double start_time_secs = 5; }
message Value { oneof kind { double number_value = 2; string string_value = 3; } }
message SessionEndInfo {
  enum Status { STATUS_UNKNOWN = 0; STATUS_SUCCESS = 1; }
  Status status = 1;
  double end_time_secs = 2;
}
`;

const { root } = protobuf.parse(declared, { keepCase: true });

/** The bytes of a message. */
export function encode(name: 'Event' | 'HParamsPluginData', fields: Readonly<Record<string, unknown>>): Uint8Array {
  const type = root.lookupType(name);
  return type.encode(type.fromObject(fields)).finish();
}
