import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadData } from '../data/load.js';
import { divide, splitTrain } from '../data/split.js';
import { formatSplit } from '../data/split-file.js';
import { L2TError } from '../errors.js';
import { bestName, decisionsName } from '../networks/checkpoint.js';
import { aMessageListener, aSignal, requirePath, takeOptions } from '../options/arguments.js';
import { absolutePath, required, type Written } from '../options/check.js';
import { resumeCommand } from '../options/command.js';
import { largeSize } from '../options/networks.js';
import type { OwnHelp } from '../options/option-help.js';
import { trainSchema } from '../options/schemas.js';
import { document } from '../report/page/document.js';
import type { RunEvent } from '../run/events.js';
import { Run, type RunControl, type RunResult } from '../run/run.js';
import type { TransferOptions } from '../run/transfer.js';
import { resumeOrStart } from '../run/transfer.js';
import { FolderLock, releaseAfter } from '../store/lock.js';
import { firstFree, removeAll, removeLeftOvers, removeUnused, requireUnusedByRuns } from '../store/new-folder.js';
import { cardName, reportName } from '../store/run-data.js';
import { throwIfAborted } from '../system/abort.js';
import { makeFolder, readFileBytes, writeFileAtomic } from '../system/files.js';
import { printable } from '../system/printable.js';
import { type Candidate, nameOf } from './candidates.js';
import { type CheckedTrainOptions, Decisions, type TrainContext } from './decisions.js';
import { complete, dataOptions, learningOptions, planOf, type TrainPlan } from './plan.js';
import { describePlan, resultPage, type TrainedRow, trainedRow, verdictOf } from './result.js';
import { racing } from './schedule.js';
import { msOf } from './timing.js';

/** Options of `train`: those of `train` in docs/options.md, and an AbortSignal. */
export type TrainOptions = Written<typeof trainSchema, 'data', OwnHelp['train']> & Pick<RunControl, 'signal'>;

/** The stage of `train`: its plan, or the network that it trains. */
export type TrainStage = 'plan' | 'source' | 'race' | 'student' | 'scratch';

/** An event of a run, with the stage that it belongs to. */
export type TrainEvent = RunEvent & {
  /** The stage. */
  readonly stage: TrainStage;
  /** The run of the race, in words. */
  readonly about?: string | undefined;
};

/** The result of `train`. */
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
  /** A sentence about the cost of the budget. */
  readonly sentence: string;
}

/**
 * Trains the best network within a budget on `data`: fine-tunes `source`; if that does not fit, lets smaller networks
 * race, and the winner learns from it.
 *
 * `result` rejects as that of `transfer`, and with INVALID_OPTION if no network fits the budget. If there is no plan,
 * nothing is left of it.
 */
export function train(given: TrainOptions): Run<TrainEvent, TrainResult> {
  const began = performance.now();
  return new Run(async (emit) => {
    const { options: taken, control } = takeOptions(trainSchema, given, { signal: aSignal });
    const { out = firstFree(absolutePath('runs'), 'train'), ...options } = await complete(taken, control.signal);
    await requireUnusedByRuns(out);
    const existed = existsSync(out);
    await makeFolder(out);
    const begin = async (context: TrainContext) => {
      await requireUnusedByRuns(out);
      const decisions = await Decisions.begin(out, options);
      const plan = await planOf(decisions, context).catch(async (error: unknown) => {
        // The same command would be refused a folder that holds decisions, and a resume would fail as this one did.
        if (!isAborted(error)) await removeAll(out, [decisionsName]).catch(() => {});
        throw error;
      });
      return { decisions, plan };
    };
    try {
      return await inFolder(out, control.signal, emit, began, begin);
    } catch (error) {
      if (!existed) await removeUnused(out);
      throw error;
    }
  });
}

/**
 * Continues what `train` began in a folder: decisions are kept, and nothing is timed twice. Fails as `train`, and with
 * INVALID_RUN if the folder is damaged.
 */
export function resumeTrain(folder: string, given: Pick<RunControl, 'signal'> = {}): Run<TrainEvent, TrainResult> {
  const began = performance.now();
  return new Run(async (emit) => {
    const out = requirePath(folder, 'The folder of train');
    const { signal } = takeOptions(trainSchema.pick({}), given, { signal: aSignal }).control;
    await Decisions.read(out);
    return inFolder(out, signal, emit, began, async (context) => {
      const decisions = await Decisions.read(out);
      return { decisions, plan: await planOf(decisions, context) };
    });
  });
}

/** Listeners of `planTraining`. */
export interface PlanTrainingControl {
  /** Called with a message about the current step. */
  readonly onNote?: ((message: string) => void) | undefined;
  /** Called with a message for each problem that does not stop it. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Plans and times as `train` does, trains nothing, and writes nothing. Fails as `train`. */
export async function planTraining(given: TrainOptions & PlanTrainingControl): Promise<TrainPlan> {
  const began = performance.now();
  const controls = { signal: aSignal, onNote: aMessageListener, onWarning: aMessageListener };
  const { options, control } = takeOptions(trainSchema, given, controls);
  const { out: _, ...completed } = await complete(options, control.signal);
  const { signal, onNote: note = () => {}, onWarning: warn = () => {} } = control;
  return planOf(await Decisions.begin(undefined, completed), { signal, warn, note, began });
}

/** The decisions so far, and the plan that follows from them. */
interface Planned {
  readonly decisions: Decisions;
  readonly plan: TrainPlan;
}

async function inFolder(
  out: string,
  signal: AbortSignal | undefined,
  emit: (event: TrainEvent) => void,
  began: number,
  open: (context: TrainContext) => Promise<Planned>,
): Promise<TrainResult> {
  const say = (type: 'warning' | 'note') => (message: string) =>
    emit({ type, message: printable(message), stage: 'plan' });
  const [warn, note] = [say('warning'), say('note')];
  try {
    return await releaseAfter(await FolderLock.acquire(out, warn), async () => {
      await removeLeftOvers(out);
      const context = { signal, warn, note, began };
      return allStages(out, await open(context), emit, context);
    });
  } catch (error) {
    if (!isAborted(error)) throw error;
    const message = `The training was interrupted; all is saved. Continue it with: ${resumeCommand('train', out)}`;
    throw new L2TError('ABORTED', message, { cause: error.cause });
  }
}

const isAborted = (error: unknown): error is L2TError => error instanceof L2TError && error.code === 'ABORTED';

/** Trains stage by stage in the folder `out`, whose lock the caller holds. */
async function allStages(
  out: string,
  { decisions, plan }: Planned,
  emit: (event: TrainEvent) => void,
  context: TrainContext,
): Promise<TrainResult> {
  const { options } = decisions;
  const { source: path, cache, unlabelled } = options;
  const { schedule, candidates, classes } = plan;
  const { signal } = context;
  describePlan(plan).forEach(context.note);
  const folderOf = (...names: readonly string[]) => join(out, ...names);

  /** Runs one training of a stage, to its end. */
  const run = async (
    stage: TrainStage,
    folder: string,
    { network: target, width, size }: Candidate,
    specific: Partial<TransferOptions>,
    about?: string,
  ): Promise<RunResult> => {
    throwIfAborted('The training', signal);
    const cached = size >= largeSize ? { cache } : {};
    const shared = { ...dataOptions(options), ...cached, target, width, size, out: folder };
    const training = resumeOrStart({ ...shared, ...specific, signal } as TransferOptions);
    for await (const event of training) emit({ ...event, stage, ...(about !== undefined && { about }) });
    return training.result;
  };
  const fineTuned = (stage: TrainStage, folder: string, epochs: number, more: Partial<TransferOptions> = {}) =>
    run(stage, folder, plan.source.candidate, { method: 'finetune', targetInit: path, epochs, ...more }, about(stage));
  const about = (stage: TrainStage) => (stage === 'race' ? 'its teacher' : undefined);
  const learning = (teacher: string): Partial<TransferOptions> =>
    path === undefined
      ? { method: 'scratch' }
      : { ...learningOptions, source: plan.source.given ? teacher : path, unlabelled };

  const rows: TrainedRow[] = [];
  const tuned = plan.source.given;
  const source = tuned ? await fineTuned('source', folderOf('source'), schedule.source) : undefined;
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
    return { ms: await msOf(candidate, classes, context) };
  });
  const timed = { ...candidate, ms };
  rows.push(trainedRow('result', timed, student));
  if (baseline) rows.push(trainedRow('scratch', timed, baseline));
  return finish(student, 'student');

  /** Returns the index of the candidate that is best on a fifth of each class of the training images. */
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
          if (tuned) await fineTuned('race', teacher, teacherEpochs, { ...judged, evalEvery: teacherEpochs });
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
    const sentence = verdictOf(rows, options);
    await writeFileAtomic(report, await document(resultPage({ out, options, rows, sentence, plan })));
    return { out, checkpoint, report, stage, rows, sentence };
  }
}

/** Returns null for a candidate that diverged, which leaves the race; throws any other error. */
function diverged(error: unknown): null {
  if (error instanceof L2TError && error.code === 'DIVERGED') return null;
  throw error;
}

/**
 * Returns the options of the race's runs: a fifth of each class of the training images validates. If a split file names
 * the training images, another one takes the fifth from these.
 */
async function judging(options: CheckedTrainOptions, folder: string): Promise<Partial<TransferOptions>> {
  const { splitFile, seed = 0 } = options;
  if (splitFile === undefined) return { validation: 0.2 };
  const data = required(trainSchema, options, 'data');
  const dataset = await loadData({ ...dataOptions(options), data, drawTest: true });
  const { lists, division } = divide(dataset, { data, seed });
  const { train, validation } = splitTrain(lists.train.labels, dataset.classNames, {
    data,
    seed,
    validation: 0.2,
  });
  const placed = (indices: Int32Array) => indices.map((index) => division.train[index] as number).sort();
  const file = join(folder, 'split.json');
  await makeFolder(folder);
  await writeFileAtomic(file, formatSplit({ ...division, train: placed(train), validation: placed(validation) }));
  return { splitFile: file };
}
