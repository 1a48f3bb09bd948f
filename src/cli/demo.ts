import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { countPerClass } from '../data/dataset.js';
import { loadData } from '../data/load.js';
import { compare } from '../experiments/compare.js';
import { sentenceOf } from '../experiments/conclusions.js';
import type { ExperimentRow } from '../experiments/row.js';
import { experimentTable } from '../experiments/table.js';
import type { Given } from '../options/check.js';
import { demoSchema } from '../options/schemas.js';
import { inspectRun, type RunReport } from '../report/inspect.js';
import { pretrain } from '../run/transfer.js';
import { firstFree, requireUnusedByRuns } from '../store/new-folder.js';
import { invalidData } from '../system/failures.js';
import { printable, printableJson, shown } from '../system/printable.js';
import { mean } from '../system/statistics.js';
import { addFlags, flagOptions } from './flags.js';
import { interruptible } from './interrupt.js';
import { say } from './progress.js';
import { Stage } from './stage.js';
import { pairTable, table } from './table.js';

const embedded = fileURLToPath(new URL('../../data/fashion-mnist', import.meta.url));

/** The source's settings, and the target's epochs and batches, were tuned on images outside the shipped subset. */
const size = 32;
const source = { network: 'resnet20', batch: 64, perClass: 550, lr: 0.1, validation: 0.1 } as const;
const target = { target: 'vgg9_bn', width: 0.25 } as const;
/** In such a short run, φ hardly changes at the paper's rate, 1e-4. */
const learning = { metaLr: 'auto', lambdaInit: 'equal', wLrRatio: 0.03 } as const;
/** The few images of the target are one batch, so an epoch is one step. */
const full = { sourceEpochs: 6, seeds: 3, target: { epochs: 100, batch: 45, perClass: 9 }, sourceFinetune: 40 };
const quick = { sourceEpochs: 3, seeds: 1, target: { epochs: 60, batch: 25, perClass: 5 }, sourceFinetune: 40 };

export function register(command: Command): void {
  command.option('--quick', 'one seed and shorter runs');
  addFlags(command, demoSchema)
    .option('--json', 'print the result as one JSON document')
    .action(async ({ quick: short, json, ...flags }: { quick?: boolean; json?: boolean } & Record<string, unknown>) => {
      const options = flagOptions(demoSchema, flags);
      const report = await interruptible((signal) => demo({ ...options, quick: short === true, signal }));
      process.stdout.write(json ? `${printableJson(report)}\n` : format(report));
    });
}

async function demo(options: Given<typeof demoSchema> & { readonly quick: boolean; readonly signal: AbortSignal }) {
  const start = performance.now();
  const { threads, signal, data = embedded } = options;
  const out = options.out ?? firstFree('runs', 'demo');
  await requireUnusedByRuns(out);
  const length = options.quick ? quick : full;
  const seeds = options.seeds ?? length.seeds;
  const parts = await divideClasses(data, signal);
  say(
    `${source.network} learns ${listed(parts.source.names)}. Then ${length.target.perClass} images each of ${listed(parts.target.names)} are there to learn from: it is fine-tuned on them, and ${target.target}, which is faster, learns them with its help and without.`,
  );
  const common = { data, size, threads, signal };
  const { perClass: maxPerClass, ...network } = source;
  const pretrained = await new Stage(`source ${source.network}`).follow(
    pretrain({
      ...common,
      ...network,
      classes: parts.source.list,
      epochs: length.sourceEpochs,
      out: join(out, 'source'),
      perClass: Math.min(maxPerClass, parts.source.smallest),
    }),
  );
  const { rows, report } = await compare({
    ...common,
    ...target,
    ...length.target,
    ...learning,
    classes: parts.target.list,
    source: join(out, 'source'),
    sourceFinetune: length.sourceFinetune,
    methods: ['finetune-source', 'l2t-ww', 'scratch'],
    seeds,
    parallel: 1,
    out: join(out, 'target'),
    follow: (run, label, seed) => new Stage(`${label}, seed ${seed}`).follow(run),
    onWarning: (message) => say(`warning: ${printable(message)}`),
  });
  const helped = rows[1] as ExperimentRow;
  const finished = helped.runs.filter((_, seed) => typeof helped.accuracies[seed] === 'number');
  const runs = await Promise.all(finished.map((run) => inspectRun(run)));
  return {
    data,
    source: {
      network: source.network,
      classes: parts.source.names,
      accuracy: pretrained.accuracy,
      run: pretrained.run,
    },
    target: { network: target.target, width: target.width, classes: parts.target.names, ...length.target },
    learning,
    rows,
    conclusion: sentenceOf(helped, rows[2] as ExperimentRow),
    learned: runs.flatMap(({ learned }) => learned ?? []),
    lambda: meanLambda(runs.map(({ pairs }) => pairs)),
    out,
    report,
    seconds: (performance.now() - start) / 1000,
  };
}

const listed = (names: readonly string[]): string => names.map((name) => shown(name)).join(', ');

/** Divides the classes: half for the source, the others for the target. */
async function divideClasses(data: string, signal: AbortSignal) {
  const { classNames, train } = await loadData({ data, drawTest: true, signal });
  if (train === undefined || classNames.length < 4) {
    throw invalidData(`${data} does not suit the demo: it needs training images of at least four classes.`);
  }
  const counts = countPerClass(train.labels, classNames.length);
  const all = classNames.map((_, index) => index);
  // Fashion-MNIST gets clothes and shoes in both halves, so that they are related.
  const forSource = classNames.length === 10 ? [0, 1, 3, 5, 7] : all.filter((index) => index % 2 === 0);
  // The option `classes` separates names by commas.
  const nameOrIndex = (index: number) => ((classNames[index] as string).includes(',') ? index : classNames[index]);
  const part = (indices: readonly number[]) => ({
    names: indices.map((index) => classNames[index] as string),
    list: indices.map(nameOrIndex).join(','),
    /** Training images of the class that has the fewest. */
    smallest: Math.min(...indices.map((index) => counts[index] as number)),
  });
  return { source: part(forSource), target: part(all.filter((index) => !forSource.includes(index))) };
}

/** Returns λ of each pair at the start and at the end, means over the seeds. */
const meanLambda = (runs: readonly RunReport['pairs'][]) =>
  (runs[0] ?? []).map(({ pair: [source, target] }, i) => ({
    source,
    target,
    start: mean(runs.map((pairs) => pairs[i]?.lambdaStart ?? 0)),
    mean: mean(runs.map((pairs) => pairs[i]?.lambdaMean ?? 0)),
  }));

/** The columns of the comparison's table that are shown: all are too wide for a terminal. */
const columns = ['method', 'test accuracy, %', 'each seed', 'parameters', 'time a run', 'an image, batch 1'];

function format(result: Awaited<ReturnType<typeof demo>>): string {
  const { source, target, rows, conclusion, learned, lambda, out, report, seconds } = result;
  const { head, rows: cells } = experimentTable(rows);
  const shownColumns = head.flatMap((name, k) => (columns.includes(name) ? [k] : []));
  const narrow = (row: readonly string[]) => shownColumns.map((k) => row[k] as string);
  return [
    '',
    `${target.network} (width ${target.width}) on ${target.classes.map((name) => shown(name)).join(', ')}, ${target.perClass} images a class; finetune-source is the ${source.network} itself:`,
    '',
    table(narrow(head), cells.map(narrow)),
    '',
    'λ from its start to its end: how much each feature of the source (rows) is transferred to each of the target (columns):',
    '',
    pairTable(
      `${source.network} \\ ${target.network}`,
      lambda.map(({ source: m, target: n, start, mean: end }) => ({
        pair: [m, n],
        text: `${start.toFixed(2)} → ${end.toFixed(2)}`,
      })),
    ),
    '',
    ...learned.map(({ sentence }, seed) => `${learned.length > 1 ? `Seed ${seed}: ` : ''}${printable(sentence)}`),
    '',
    `All in ${seconds.toFixed(0)} s; the runs are in ${printable(out)}, the pictures in ${printable(report ?? out)}.`,
    'Next, with your own images in folders DIR/train/CLASS and DIR/test/CLASS:',
    '  l2t-native train DIR --source CHECKPOINT --max-ms 5',
    '',
    conclusion,
    '',
  ].join('\n');
}
