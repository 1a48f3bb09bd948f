import { resolve as absolute, join } from 'node:path';
import { checkData } from '../data/check.js';
import { countPerClass } from '../data/dataset.js';
import { loadData } from '../data/load.js';
import { divide, splitTrain } from '../data/split.js';
import { formatSplit } from '../data/split-file.js';
import { L2TError } from '../errors.js';
import { addon } from '../native/addon.js';
import { bestName, loadCheckpoint } from '../networks/checkpoint.js';
import { aSignal, requirePath, takeOptions, withPaths } from '../options/arguments.js';
import { absolutePath, defaultOf, required, type Written } from '../options/check.js';
import { resumeCommand } from '../options/command.js';
import { defaultSize, largeSize, paperTarget } from '../options/networks.js';
import { trainSchema } from '../options/schemas.js';
import { pathOfSource, published } from '../options/sources.js';
import { read } from '../options/spec.js';
import { document } from '../report/page/document.js';
import type { RunEvent } from '../run/events.js';
import { resumeOrStart } from '../run/resume.js';
import { Run, type RunControl, type RunResult } from '../run/run.js';
import type { TransferOptions } from '../run/transfer.js';
import { FolderLock, releaseAfter } from '../store/lock.js';
import { firstFree, removeLeftOvers, requireUnusedByRuns } from '../store/new-folder.js';
import { cardName, reportName } from '../store/run-data.js';
import { throwIfAborted } from '../system/abort.js';
import { invalidData, invalidOption } from '../system/failures.js';
import { makeFolder, readFileBytes, writeFileAtomic } from '../system/files.js';
import { printable, someOf } from '../system/printable.js';
import { smallest } from '../system/statistics.js';
import { defaultThreads } from '../system/threads.js';
import { type Candidate, candidateOf, fits, fittingCandidates, nameOf } from './candidates.js';
import { type CheckedTrainOptions, Decisions } from './decisions.js';
import { resultPage, type TrainedRow, trainedRow, verdictOf } from './result.js';
import { racing, scheduleOf } from './schedule.js';
import { msOf, workOf } from './timing.js';

/** Options of `train`: those of `train` in docs/options.md, and an AbortSignal. */
export type TrainOptions = Written<typeof trainSchema, 'data'> & Pick<RunControl, 'signal'>;

/** Where `train` is: it looks and plans, or trains the network of this stage. */
export type TrainStage = 'plan' | 'source' | 'race' | 'student' | 'scratch';

/** An event of a run, with the stage that it belongs to. `about`: which run of the race. */
export type TrainEvent = RunEvent & { readonly stage: TrainStage; readonly about?: string | undefined };

/** What `train` gives. */
export interface TrainResult {
  /** The folder. */
  readonly out: string;
  /** The file with the resulting network: best.safetensors in the folder. */
  readonly checkpoint: string;
  /** The page with the table; report.html in the folder. */
  readonly report: string;
  /** The stage whose network is the result. */
  readonly stage: 'source' | 'student';
  /** The fine-tuned source, the result if it is another network, and the same from scratch. */
  readonly rows: readonly TrainedRow[];
  /** What the budget cost. */
  readonly sentence: string;
}

/** What `train` would do: the plan of a dry run. */
export type TrainPlan = Awaited<ReturnType<typeof planOf>>;

/**
 * How the smaller network learns from the fine-tuned source. docs/results.md has the comparison: `fm` and `l2t-ww` are
 * level, and `fm` takes a fifth of the time; with images that have no labels, matching and distillation together are best.
 */
const studentMethod = (unlabelled: unknown) => (unlabelled === undefined ? 'fm' : 'kd+fm');

/** The fewest training images of a class with which there is a race: a fifth of them judges. */
const fewestForRace = 10;

/**
 * Trains the best network within a budget on `data`: fine-tunes `source`; if that does not fit, lets smaller networks
 * race, and the winner learns from it.
 *
 * `result` rejects as that of `transfer`, and with INVALID_OPTION if no network fits the budget.
 */
export function train(given: TrainOptions): Run<TrainEvent, TrainResult> {
  const began = performance.now();
  return new Run(async (emit) => {
    const { options: taken, control } = takeOptions(trainSchema, given, { signal: aSignal });
    const { out = firstFree(absolutePath('runs'), 'train'), ...options } = await complete(taken);
    await requireUnusedByRuns(out);
    await makeFolder(out);
    return inFolder(out, control.signal, emit, began, async () => {
      await requireUnusedByRuns(out);
      return Decisions.begin(out, options);
    });
  });
}

/**
 * Continues what `train` began in a folder: what was decided holds, and nothing that was timed is timed again.
 * Fails as `train`, and with INVALID_RUN if the folder is damaged.
 */
export function resumeTrain(folder: string, given: Pick<RunControl, 'signal'> = {}): Run<TrainEvent, TrainResult> {
  const began = performance.now();
  return new Run(async (emit) => {
    const out = requirePath(folder, 'The folder of train');
    const { signal } = takeOptions(trainSchema.pick({}), given, { signal: aSignal }).control;
    await Decisions.read(out);
    return inFolder(out, signal, emit, began, () => Decisions.read(out));
  });
}

/** Looks and times as `train` does, trains nothing, and writes nothing. Fails as `train`. */
export async function planTraining(given: TrainOptions): Promise<TrainPlan> {
  const began = performance.now();
  const { options, control } = takeOptions(trainSchema, given, { signal: aSignal });
  const { out: _, ...completed } = await complete(options);
  return planOf(await Decisions.begin(undefined, completed), { signal: control.signal, warn: () => {}, began });
}

interface Context {
  readonly signal: AbortSignal | undefined;
  readonly began: number;
  warn(message: string): void;
}

async function inFolder(
  out: string,
  signal: AbortSignal | undefined,
  emit: (event: TrainEvent) => void,
  began: number,
  open: () => Promise<Decisions>,
): Promise<TrainResult> {
  const warn = (message: string) => emit({ type: 'warning', message: printable(message), stage: 'plan' });
  try {
    return await releaseAfter(await FolderLock.acquire(out, warn), async () => {
      await removeLeftOvers(out);
      return allStages(out, await open(), emit, { signal, warn, began });
    });
  } catch (error) {
    if (!(error instanceof L2TError) || error.code !== 'ABORTED') throw error;
    const message = `The training was interrupted; all is saved. Continue it with: ${resumeCommand('train', out)}`;
    throw new L2TError('ABORTED', message, { cause: error.cause });
  }
}

/** The options with absolute paths, and where they are computed; checked as far as that shows without reading images. */
async function complete(given: CheckedTrainOptions): Promise<CheckedTrainOptions> {
  const { source, fromScratch, device, threads, unlabelled } = given;
  const data = required(trainSchema, given, 'data');
  if (source !== undefined && fromScratch)
    throw invalidOption('{fromScratch} trains without a source: leave out {source}.');
  if (source === undefined && !fromScratch) throw await missingSource(given, data);
  const method = source === undefined ? 'scratch' : studentMethod(unlabelled);
  read({ ...dataOptions(given), method, target: 'resnet20', source, unlabelled });
  const place = { device: addon().device(device ?? 'auto').device, threads: threads ?? defaultThreads() };
  return withPaths(trainSchema, { ...given, ...place }, (path) => absolute(path));
}

/** Names the published source for images of this size. */
async function missingSource(
  { layout, imageColumn, labelColumn }: CheckedTrainOptions,
  data: string,
): Promise<L2TError> {
  const { splits } = await checkData({ data, layout, imageColumn, labelColumn });
  const side = splits.find(({ short }) => short !== undefined)?.short?.median ?? 0;
  const name = side < largeSize ? 'resnet32-tinyimagenet' : 'resnet34';
  return invalidOption(
    `{source} is missing. For images of ${side} pixels ${name} fits (${published[name].mebibytes} MiB; it will be ${pathOfSource(name)}): l2t-native source get ${name}, then {source=${name}}. Without one, {fromScratch} trains from random weights, which is less accurate.`,
  );
}

/** The options of `transfer` that all stages share. */
function dataOptions(options: CheckedTrainOptions) {
  const { data, layout, imageColumn, labelColumn, classes, splitFile, skipDamaged, perClass, validation } = options;
  const { seed, device, threads } = options;
  const kind = { data, layout, imageColumn, labelColumn, classes, splitFile, skipDamaged, perClass, validation };
  return { ...kind, seed, device, threads };
}

/** Looks at the data and the source, times networks, and fixes the epochs of every stage. */
async function planOf(decisions: Decisions, { signal, warn, began }: Context) {
  const { options } = decisions;
  const { source, seed = 0, unlabelled, time = defaultOf(trainSchema, 'time'), baseline = true, threads = 1 } = options;
  const { maxMs, maxParams, maxMb, device = 'cpu' } = options;
  const data = required(trainSchema, options, 'data');
  let side = 0;
  const { classes, fewest, images } = await decisions.decide('data', async () => {
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
    side = report.splits[0]?.short?.median ?? 0;
    const dataset = await loadData({ ...dataOptions(options), data, drawTest: true, signal });
    const { lists } = divide(dataset, { ...dataOptions(options), data, seed });
    const names = dataset.classNames.length;
    return {
      classes: names,
      fewest: smallest(countPerClass(lists.train.labels, names)),
      images: {
        train: lists.train.count,
        validation: lists.validation?.count ?? 0,
        test: lists.test?.count ?? 0,
        secondsPerImage: 1 / report.imagesPerSecond,
      },
    };
  });
  const timing = (candidate: Candidate) => msOf(candidate, classes, { signal, warn });
  const timed = { classes, images: images.train, threads, device };
  const budget = { maxMs, maxParams, maxMb };
  const first = await decisions.decide('source', async () => {
    const candidate = await sourceCandidate(source, side, classes, warn);
    const known = { ...candidate, ms: await timing(candidate) };
    const work = source === undefined ? undefined : await workOf(known, 'scratch', undefined, timed, signal);
    return { candidate: known, ...(work && { work }), fits: fits(known, budget) };
  });
  const method = source === undefined ? 'scratch' : studentMethod(unlabelled);
  const candidates = await decisions.decide('candidates', async () => {
    if (first.fits && source !== undefined) return [];
    const found = first.fits ? [first.candidate] : await fittingCandidates(first.candidate, budget, classes, timing);
    const teacher = source === undefined ? undefined : first.candidate;
    const works = [];
    for (const candidate of found) {
      const work = await workOf(candidate, method, teacher, timed, signal);
      // Each step sees as many images without labels as it has labelled ones.
      const seconds = unlabelled === undefined ? work.seconds : 2 * work.seconds;
      works.push({ candidate, work: { ...work, seconds } });
    }
    return works;
  });
  const schedule = await decisions.decide('schedule', async () =>
    scheduleOf({
      time,
      elapsed: (performance.now() - began) / 1000,
      images,
      source: first.work,
      candidates: candidates.map(({ work }) => work),
      races: fewest >= fewestForRace && candidates.length > 1,
      baseline: baseline && source !== undefined,
    }),
  );
  return { method, classes, fewest, images, source: first, candidates, schedule } as const;
}

/** The source's network with its costs; without a source, the paper's target for images of this side. */
async function sourceCandidate(path: string | undefined, side: number, classes: number, onWarning: Context['warn']) {
  if (path === undefined) {
    const network = paperTarget(side);
    return candidateOf(network, 1, defaultSize(network), classes);
  }
  const { network, size } = await loadCheckpoint(path, { onWarning });
  return candidateOf(network.name, network.width, size, classes);
}

/** Trains stage by stage in the folder `out`, whose lock the caller holds. */
async function allStages(
  out: string,
  decisions: Decisions,
  emit: (event: TrainEvent) => void,
  context: Context,
): Promise<TrainResult> {
  const { options } = decisions;
  const { source: path, cache, unlabelled } = options;
  const plan = await planOf(decisions, context);
  const { schedule, candidates, classes } = plan;
  const { signal, warn } = context;
  const folderOf = (...names: readonly string[]) => join(out, ...names);

  /** One run of a stage, to its end. */
  const run = async (
    stage: TrainStage,
    folder: string,
    { network: target, width, size }: Candidate,
    given: Partial<TransferOptions>,
    about?: string,
  ): Promise<RunResult> => {
    throwIfAborted('The training', signal);
    const cached = size >= largeSize ? { cache } : {};
    const shared = { ...dataOptions(options), ...cached, target, width, size, out: folder };
    const training = resumeOrStart({ ...shared, ...given, signal } as TransferOptions);
    for await (const event of training) emit({ ...event, stage, ...(about !== undefined && { about }) });
    return training.result;
  };
  const fineTuned = (stage: TrainStage, folder: string, epochs: number, more: Partial<TransferOptions> = {}) =>
    run(stage, folder, plan.source.candidate, { method: 'finetune', targetInit: path, epochs, ...more }, about(stage));
  const about = (stage: TrainStage) => (stage === 'race' ? 'its teacher' : undefined);
  const learning = (teacher: string): Partial<TransferOptions> =>
    path === undefined ? { method: 'scratch' } : { method: plan.method, source: teacher, unlabelled };

  const rows: TrainedRow[] = [];
  const source = path === undefined ? undefined : await fineTuned('source', folderOf('source'), schedule.source);
  if (source) rows.push(trainedRow('source', plan.source.candidate, source));
  if (candidates.length === 0) return finish(source as RunResult, 'source');

  const races = schedule.race.candidates > 0;
  const winner = races ? await race() : 0;
  await decisions.decide('winner', async () => ({ candidate: winner }));
  const { candidate } = candidates[winner] as (typeof candidates)[number];
  const { student: epochs, scratch } = schedule.last[winner] as (typeof schedule.last)[number];
  const student = await run('student', folderOf('student'), candidate, { ...learning(folderOf('source')), epochs });
  const baseline =
    scratch === 0
      ? undefined
      : await run('scratch', folderOf('scratch'), candidate, { method: 'scratch', epochs: scratch });
  const { ms } = await decisions.decide('speed', async () => {
    return { ms: await msOf(candidate, classes, { signal, warn }) };
  });
  const timed = { ...candidate, ms };
  rows.push(trainedRow('result', timed, student));
  if (baseline) rows.push(trainedRow('scratch', timed, baseline));
  return finish(student, 'student');

  /** The place of the candidate that is best on a fifth of each class of the training images. */
  async function race(): Promise<number> {
    const judged = { report: false, ...(await judging(options, folderOf('race'))) };
    const teacher = folderOf('race', 'source');
    const { teacher: teacherEpochs, epochs: firstEpochs } = schedule.race;
    let racers = Array.from({ length: schedule.race.candidates }, (_, k) => k);
    for (const [round] of racing(racers.length).entries()) {
      const epochs = firstEpochs * 2 ** round;
      const { next } = await decisions.decide(
        'round',
        async () => {
          if (path !== undefined)
            await fineTuned('race', teacher, teacherEpochs, { ...judged, evalEvery: teacherEpochs });
          const accuracies: (number | null)[] = [];
          for (const racer of racers) {
            const { candidate } = candidates[racer] as (typeof candidates)[number];
            const { network, width, size } = candidate;
            const folder = folderOf('race', `round-${round + 1}`, `${network}-${width}-${size}`);
            const given = { ...learning(teacher), ...judged, epochs, evalEvery: epochs };
            const done = run('race', folder, candidate, given, `round ${round + 1}, ${nameOf(candidate)}`);
            accuracies.push(await done.then(({ best }) => best.accuracy, diverged));
          }
          const order = racers.map((_, k) => k).sort((a, b) => (accuracies[b] ?? -1) - (accuracies[a] ?? -1));
          const better = order.slice(0, Math.ceil(racers.length / 2)).map((k) => racers[k] as number);
          return { epochs, candidates: racers, accuracies, next: better };
        },
        round,
      );
      racers = next;
    }
    return racers[0] as number;
  }

  /** Copies the result into the folder, and writes the report. */
  async function finish(result: RunResult, stage: TrainResult['stage']): Promise<TrainResult> {
    const [checkpoint, report] = [folderOf(bestName), folderOf(reportName)];
    await writeFileAtomic(folderOf(cardName), await readFileBytes(join(result.run, cardName)));
    await writeFileAtomic(checkpoint, await readFileBytes(result.checkpoint));
    const sentence = verdictOf(rows, options.maxMs);
    await writeFileAtomic(report, await document(resultPage({ out, options, rows, sentence, plan })));
    return { out, checkpoint, report, stage, rows, sentence };
  }
}

/** A candidate that diverges is out of the race. */
function diverged(error: unknown): null {
  if (error instanceof L2TError && error.code === 'DIVERGED') return null;
  throw error;
}

/**
 * Options of the race's runs: a fifth of each class of the training images validates. A split file says which images
 * train, so the fifth is taken from these by another one.
 */
async function judging(options: CheckedTrainOptions, folder: string): Promise<Partial<TransferOptions>> {
  const { splitFile, seed = 0 } = options;
  if (splitFile === undefined) return { validation: 0.2 };
  const data = required(trainSchema, options, 'data');
  const dataset = await loadData({ ...dataOptions(options), data, drawTest: true });
  const { lists, division } = divide(dataset, { data, seed });
  const { train, validation } = splitTrain(lists.train.labels, dataset.classNames, {
    seed,
    validation: 0.2,
    folder: data,
  });
  const placed = (indices: Int32Array) => indices.map((index) => division.train[index] as number).sort();
  const file = join(folder, 'split.json');
  await makeFolder(folder);
  await writeFileAtomic(file, formatSplit({ ...division, train: placed(train), validation: placed(validation) }));
  return { splitFile: file };
}
