import { resolve as absolute } from 'node:path';
import { checkData } from '../data/check.js';
import { countPerClass } from '../data/dataset.js';
import { sampleShortSides } from '../data/image-sets.js';
import type { DataKind } from '../data/layout-reader.js';
import { loadData, loadUnlabelled } from '../data/load.js';
import { divide } from '../data/split.js';
import { L2TError } from '../errors.js';
import { addon } from '../native/addon.js';
import { type Checkpoint, loadCheckpoint } from '../networks/checkpoint.js';
import { loadSources, type Source } from '../networks/sources.js';
import { withPaths } from '../options/arguments.js';
import { defaultOf, required } from '../options/check.js';
import { restName } from '../options/datasets.js';
import type { MethodName } from '../options/methods.js';
import { defaultBatch, defaultSize, largeSize, paperTarget } from '../options/networks.js';
import { trainSchema } from '../options/schemas.js';
import { isOnnx, pathOfSource, published } from '../options/sources.js';
import { read } from '../options/spec.js';
import { invalidData, invalidOption } from '../system/failures.js';
import { counted, duration, someOf } from '../system/printable.js';
import { median, smallest } from '../system/statistics.js';
import { defaultThreads } from '../system/threads.js';
import { type Candidate, candidateOf, fits, fittingCandidates } from './candidates.js';
import type { CheckedTrainOptions, Decisions, TrainContext } from './decisions.js';
import { costOf, type Images, isTrainable, minEpochs, type Schedule, scheduleOf, type Work } from './schedule.js';
import { msOf, type Teacher, workOf } from './timing.js';

/** The plan of `train`, as a dry run shows it. */
export interface TrainPlan {
  /** The method by which the smaller network would learn from the source. */
  readonly method: MethodName;
  /** The number of classes. */
  readonly classes: number;
  /** Training images of the smallest class. */
  readonly fewest: number;
  /** The images. */
  readonly images: Images;
  /** The source's network, or without one the usual target. */
  readonly source: TrainCandidate & {
    /** True if it is within the budget. */
    readonly fits: boolean;
    /** True if a source was given that can be fine-tuned. */
    readonly given: boolean;
  };
  /** The networks within the budget, the largest first; none if the source is the result. */
  readonly candidates: readonly TrainCandidate[];
  /** The epochs of each stage. */
  readonly schedule: Schedule;
}

/** A network that may be trained, and a step of its training. */
export interface TrainCandidate {
  /** The network with its costs. */
  readonly candidate: Candidate;
  /** A step of its training. */
  readonly work: Work;
}

/**
 * How the smaller network learns from the fine-tuned source. docs/results.md has the comparison: with β = 1.5, `fm` is as
 * good as what meta-networks learn, in a fifth of the time; distillation adds nothing to it, also with images that have no
 * labels.
 */
export const learningOptions = { method: 'fm', beta: 1.5 } as const;

/** Minimum number of training images of a class for a race, which a fifth of them judges. */
export const minForRace = 10;

/** Returns the options with absolute paths, device and threads, checked as far as possible without reading images. */
export async function complete(options: CheckedTrainOptions, signal?: AbortSignal): Promise<CheckedTrainOptions> {
  const { source, fromScratch, device, threads, unlabelled } = options;
  const data = required(trainSchema, options, 'data');
  if (source !== undefined && fromScratch)
    throw invalidOption('{fromScratch} trains without a source: leave out {source}.');
  if (source === undefined && !fromScratch) throw await missingSource({ ...options, data }, signal);
  const method = source === undefined ? 'scratch' : learningOptions.method;
  read({ ...dataOptions(options), method, target: 'resnet20', source, unlabelled });
  const placed = { device: addon().device(device ?? 'auto').device, threads: threads ?? defaultThreads() };
  return withPaths(trainSchema, { ...options, ...placed }, (path) => absolute(path));
}

/** Returns an error that names the published source for images of this size. */
async function missingSource(
  { data, layout, imageColumn, labelColumn }: DataKind & { readonly data: string },
  signal: AbortSignal | undefined,
): Promise<L2TError> {
  const { train } = await loadData({ data, layout, imageColumn, labelColumn, drawTest: true, signal });
  const side = train ? median(await sampleShortSides(train)) : 0;
  const name = side < largeSize ? 'resnet32-tinyimagenet' : 'resnet34';
  return invalidOption(
    `{source} is missing. For images of ${side} pixels ${name} fits (${published[name].mebibytes} MiB; it will be ${pathOfSource(name)}): l2t-native source get ${name}, then {source=${name}}. Without one, {fromScratch} trains from random weights, which is less accurate.`,
  );
}

/** The options of `transfer` that all stages share. */
export function dataOptions(options: CheckedTrainOptions) {
  const { data, layout, imageColumn, labelColumn, classes, splitFile, skipDamaged, perClass, validation } = options;
  const { seed, device, threads } = options;
  const kind = { data, layout, imageColumn, labelColumn, classes, splitFile, skipDamaged, perClass, validation };
  return { ...kind, seed, device, threads };
}

/** Looks at the data and the source, times networks, and fixes the epochs of every stage. */
export async function planOf(decisions: Decisions, context: TrainContext): Promise<TrainPlan> {
  const { options } = decisions;
  const { signal, warn, began } = context;
  const { source, seed = 0, unlabelled, time = defaultOf(trainSchema, 'time'), baseline = true, threads = 1 } = options;
  const { maxMs, maxParams, maxMb, device = 'cpu' } = options;
  const data = required(trainSchema, options, 'data');
  // The source and the unlabelled images are looked at first, since decoding may take minutes: a wrong path is named at once.
  // An ONNX file teaches as it is: it is neither fine-tuned nor the result.
  const frozen = source !== undefined && isOnnx(source) ? await loadFrozen(source) : undefined;
  const tuned = source !== undefined && frozen === undefined;
  const checkpoint = tuned && !decisions.has('source') ? await loadSource(source, warn) : undefined;
  if (unlabelled !== undefined && !decisions.has('data')) {
    const paths = [unlabelled].flat().filter((path) => path !== restName);
    await loadUnlabelled(paths, { signal });
  }
  const { classes, fewest, side, images } = await decisions.decide('data', async () => {
    const { layout, imageColumn, labelColumn } = options;
    const report = await checkData({ data, layout, imageColumn, labelColumn, classes: options.classes, signal });
    const damaged = report.splits.flatMap((split) => split.damaged);
    if (damaged.length > 0 && !options.skipDamaged) {
      const names = damaged.map(({ image }) => image);
      throw invalidData(
        `${data} has damaged images: ${someOf(names, 3)}. Replace or remove them (l2t-native data check names all), or leave them out with {skipDamaged}.`,
      );
    }
    if (report.shared.length > 0)
      warn(`${report.shared.length} images are in two splits (l2t-native data check lists them)`);
    const dataset = await loadData({ ...dataOptions(options), data, drawTest: true, signal });
    const { lists } = divide(dataset, { ...dataOptions(options), data, seed });
    const names = dataset.classNames.length;
    return {
      classes: names,
      fewest: smallest(countPerClass(lists.train.labels, names)),
      side: report.splits[0]?.short?.median ?? 0,
      images: {
        train: lists.train.count,
        validation: lists.validation?.count ?? 0,
        test: lists.test?.count ?? 0,
        secondsPerImage: 1 / report.imagesPerSecond,
      },
    };
  });
  const timing = (candidate: Candidate) => msOf(candidate, classes, context);
  const timed = { classes, images: images.train, threads, device };
  if (frozen) context.note(`${source} is an ONNX file, which is not fine-tuned: the network learns from it as it is`);
  const budget = { maxMs, maxParams, maxMb };
  const first = await decisions.decide('source', async () => {
    const candidate = sourceCandidate(checkpoint, side, classes);
    const known = { ...candidate, ms: await timing(candidate) };
    const work = await workOf(known, 'scratch', undefined, timed, signal);
    return { candidate: known, work, fits: fits(known, budget) };
  });
  const method = source === undefined ? 'scratch' : learningOptions.method;
  const candidates = await decisions.decide('candidates', async () => {
    if (first.fits && tuned) return [];
    const perOperation = first.work.seconds / first.work.batch / first.candidate.flops;
    // Small networks take longer for an operation: the networks left out here would not be ready in time.
    const trainable = ({ size, flops }: Candidate) => {
      const batch = Math.min(defaultBatch(size, images.train), images.train);
      return isTrainable({ seconds: (batch * flops * perOperation) / 2, batch, size }, images, time);
    };
    const found = first.fits
      ? [first.candidate]
      : await fittingCandidates(first.candidate, budget, classes, timing, { trainable });
    const teacher = frozen ?? (tuned ? first.candidate : undefined);
    const works = [];
    for (const candidate of found) {
      const work = await workOf(candidate, method, teacher, timed, signal);
      // Each step sees as many images without labels as it has labelled ones.
      const seconds = unlabelled === undefined ? work.seconds : 2 * work.seconds;
      works.push({ candidate, work: { ...work, seconds } });
    }
    const quick = works.filter(({ work: each }) => isTrainable(each, images, time));
    if (quick.length > 0) return quick;
    return works.toSorted((a, b) => costOf(a.work, images).epoch - costOf(b.work, images).epoch).slice(0, 1);
  });
  const schedule = await decisions.decide('schedule', async () =>
    scheduleOf({
      time,
      elapsed: (performance.now() - began) / 1000,
      images,
      source: tuned ? first.work : undefined,
      candidates: candidates.map(({ work }) => work),
      races: fewest >= minForRace && candidates.length > 1,
      baseline: baseline && source !== undefined,
    }),
  );
  const hurry = hurryOf(schedule, time);
  if (hurry !== undefined) warn(hurry);
  return {
    method,
    classes,
    fewest,
    images,
    source: { ...first, given: tuned },
    candidates,
    schedule,
  } as const;
}

/** Returns a warning if the time is too short; undefined if it is enough. */
function hurryOf({ last, seconds }: Schedule, time: number): string | undefined {
  const epochs = smallest([minEpochs, ...last.map(({ student }) => student)]);
  const reasons = [
    ...(seconds > time ? [`all takes about ${duration(seconds)}, since each stage trains for at least one epoch`] : []),
    ...(epochs < minEpochs ? [`the result gets ${counted(epochs, 'epoch')}, which hardly trains it`] : []),
  ];
  return reasons.length === 0
    ? undefined
    : `${duration(time)} is too short: ${reasons.join(', and ')}; allow more with {time}`;
}

async function loadSource(path: string, onWarning: TrainContext['warn']): Promise<Checkpoint> {
  try {
    return await loadCheckpoint(path, { onWarning });
  } catch (error) {
    // The message would name options that `train` does not have.
    if (!(error instanceof L2TError) || !error.options.includes('network')) throw error;
    throw invalidOption(
      `${path} does not show which network it holds, so train cannot read it: use transfer, with {sourceNetwork} and {sourceWidth}.`,
    );
  }
}

async function loadFrozen(path: string): Promise<Teacher> {
  const { sources } = read({ method: learningOptions.method, target: 'resnet20', data: 'data', source: path });
  const [{ network, size, onnx }] = (await loadSources(sources, {})) as [Source];
  return { network: network.name, width: 1, size, classes: network.classes, ...(onnx && { onnx }) };
}

/** Returns the source's network with its costs; without a source, the paper's target for images of this side. */
function sourceCandidate(source: Checkpoint | undefined, side: number, classes: number): Candidate {
  if (source === undefined) {
    const network = paperTarget(side);
    return candidateOf(network, 1, defaultSize(network), classes);
  }
  const { network, size } = source;
  return candidateOf(network.name, network.width, size, classes);
}
