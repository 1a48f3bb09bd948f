export {
  checkData,
  type DamagedImage,
  type DataCheckOptions,
  type DataReport,
  type Sides,
  type SplitReport,
} from './data/check.js';
export type { DecodedImage } from './data/decode.js';
export { listImages } from './data/find-images.js';
export { type ErrorCode, L2TError } from './errors.js';
export {
  type CompareOptions,
  type CurveOptions,
  compare,
  curve,
  type PlanComparisonOptions,
  type PlanCurveOptions,
  planComparison,
  planCurve,
  resumeComparison,
  resumeCurve,
} from './experiments/compare.js';
export type { EntryEstimate, Estimate } from './experiments/estimate.js';
export {
  type CollectControl,
  collect,
  type ExperimentControl,
  type ExperimentResult,
  type Plan,
  type PlanControl,
  type ResumeControl,
} from './experiments/experiment.js';
export type { InferenceTimes } from './experiments/inference-times.js';
export type { Follow } from './experiments/pool.js';
export { type Preset, presets } from './experiments/presets.js';
export { type ReportOptions, report } from './experiments/report.js';
export {
  type DryRun,
  dryRun,
  type PlanReproductionOptions,
  planReproduction,
  type ReproduceOptions,
  reproduce,
  resumeReproduction,
} from './experiments/reproduce.js';
export type { ExperimentRow } from './experiments/row.js';
export type { UnfinishedRun } from './experiments/run-states.js';
export { type EvaluateOptions, type EvaluationResult, evaluate } from './inference/evaluate.js';
export type { ImageInput } from './inference/image-input.js';
export type { TopAccuracy } from './inference/logits.js';
export {
  type DecodingOptions,
  type FeatureMap,
  type InferenceOptions,
  Network,
  type NetworkOptions,
  type PlacementOptions,
  type Prediction,
  type PredictOptions,
  type RankedLabel,
} from './inference/network.js';
export type {
  EpochMetrics,
  Losses,
  NamedShape,
  NamedTensor,
  NetworkDescription,
  NetworkSpec,
  Normalisation,
  OperationDescription,
  Pair,
  PairMetrics,
  StepEvent,
} from './native/addon.js';
export { type Checkpoint, type CheckpointOptions, loadCheckpoint, saveCheckpoint } from './networks/checkpoint.js';
export { describeNetwork } from './networks/describe.js';
export { type ExportOptions, type ExportResult, exportNetwork } from './networks/export/export.js';
export { type NetworkSummary, type NetworksOptions, networks } from './networks/summary.js';
export type { MethodName } from './options/methods.js';
export { type NetworkAlias, type NetworkName, networkNames } from './options/networks.js';
export type { GroupOptions } from './ranks/options.js';
export type { Learned } from './report/learned.js';
export type {
  CheckpointEvent,
  DataEvent,
  ListingEvent,
  NoteEvent,
  RateEvent,
  ReportEvent,
  RunEpochEvent,
  RunEvent,
  SourceEvent,
  StartEvent,
  WarningEvent,
} from './run/events.js';
export type { Run, RunControl, RunResult } from './run/run.js';
export {
  type PretrainOptions,
  pretrain,
  type ResumeOptions,
  resume,
  resumeOrStart,
  type TransferOptions,
  transfer,
} from './run/transfer.js';
export type { FinetunedSource, FoundRate, RateTrial } from './store/run-data.js';
export type { Interval } from './system/statistics.js';
export type { Candidate } from './train/candidates.js';
export type { TrainCandidate, TrainPlan } from './train/plan.js';
export { type DataSummary, type Proposal, type ProposeOptions, proposeOptions } from './train/proposal.js';
export type { TrainedRow } from './train/result.js';
export type { Images, Schedule, Work } from './train/schedule.js';
export {
  type PlanTrainingControl,
  planTraining,
  resumeTrain,
  type TrainEvent,
  type TrainOptions,
  type TrainResult,
  type TrainStage,
  train,
} from './train/train.js';
