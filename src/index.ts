export type {
  EpochMetrics,
  NetworkDescription,
  NetworkSpec,
  Normalisation,
  Pair,
  PairMetrics,
  StepEvent,
} from './addon.js';
export { type Checkpoint, type CheckpointOptions, loadCheckpoint, saveCheckpoint } from './checkpoint.js';
export { type CompareOptions, compare, resumeComparison } from './compare.js';
export { type CurveOptions, curve, resumeCurve } from './curve.js';
export { checkData, type DataCheckOptions, type DataReport, type SplitReport } from './data-check.js';
export { type ErrorCode, L2TError } from './errors.js';
export { type EvaluateOptions, type EvaluationResult, evaluate } from './evaluate.js';
export type { ExperimentControl, ExperimentResult, Follow, ResumeControl } from './experiment.js';
export type { ExperimentRow } from './experiment-row.js';
export type { InferenceTimes } from './experiment-times.js';
export type { ImageInput } from './image-input.js';
export type { FoundRate, RateTrial } from './learning-rate.js';
export type { MethodName } from './methods.js';
export {
  type FeatureMap,
  type InferenceOptions,
  Network,
  type NetworkOptions,
  type PlacementOptions,
  type Prediction,
  type PredictOptions,
  type RankedLabel,
} from './network.js';
export { describeNetwork, type NetworkName, networkNames } from './networks.js';
export { type Preset, presets } from './presets.js';
export { type PretrainOptions, pretrain } from './pretrain.js';
export { type DryRun, dryRun, type ReproduceOptions, reproduce, resumeReproduction } from './reproduce.js';
export { type ResumeOptions, resume } from './resume.js';
export type {
  CheckpointEvent,
  DataEvent,
  ListingEvent,
  RateEvent,
  Run,
  RunControl,
  RunEpochEvent,
  RunEvent,
  RunResult,
  StartEvent,
  WarningEvent,
} from './run.js';
export type { Interval } from './statistics.js';
export { type TransferOptions, transfer } from './transfer.js';
