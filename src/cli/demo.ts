import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { countPerClass } from '../data/dataset.js';
import { loadData } from '../data/load.js';
import type { Given } from '../options/check.js';
import { demoSchema } from '../options/schemas.js';
import { inspectRun } from '../report/inspect.js';
import type { Learned } from '../report/learned.js';
import { pretrain, transfer } from '../run/transfer.js';
import { firstFree, requireUnusedByRuns } from '../store/new-folder.js';
import { invalidData } from '../system/failures.js';
import { printable, printableJson, shown } from '../system/printable.js';
import { mean, percentOf } from '../system/statistics.js';
import { addFlags, flagOptions } from './flags.js';
import { interruptible } from './interrupt.js';
import { say } from './progress.js';
import { Stage } from './stage.js';
import { pairTable, table } from './table.js';

const embedded = fileURLToPath(new URL('../../data/fashion-mnist', import.meta.url));

/**
 * All settings were tuned on images outside the shipped subset, never on test images. The source holds out a tenth of
 * its images for validation.
 */
const size = 32;
const source = { network: 'resnet20', batch: 64, perClass: 550, lr: 0.1, validation: 0.1 } as const;
const target = { target: 'vgg9_bn', width: 0.25 } as const;
/** In such a short run, φ hardly changes at the paper's 1e-4. */
const metaLr = 1e-3;
const full = { sourceEpochs: 6, seeds: 3, target: { epochs: 100, batch: 45, perClass: 9, lr: 0.03 } };
const quick = { sourceEpochs: 3, seeds: 1, target: { epochs: 60, batch: 25, perClass: 5, lr: 0.1 } };

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
    `${source.network} learns ${listed(parts.source.names)}; then ${target.target} learns ${listed(parts.target.names)} from ${length.target.perClass} images each, by each method ${seeds === 1 ? 'once' : `${seeds} times`}.`,
  );
  const common = { data, size, threads, signal };
  const { perClass: most, ...network } = source;
  const pretrained = await new Stage(`source ${source.network}`).follow(
    pretrain({
      ...common,
      ...network,
      classes: parts.source.list,
      epochs: length.sourceEpochs,
      out: join(out, 'source'),
      perClass: Math.min(most, parts.source.smallest),
    }),
  );
  const checkpoint = join(pretrained.run, 'best.safetensors');
  // Of each seed; accuracies are on the test images, in [0, 1].
  const empty = () => ({ accuracies: [] as number[], seconds: [] as number[], runs: [] as string[] });
  const methods = (['scratch', 'l2t-ww'] as const).map((method) => ({ method, ...empty() }));
  const learned: Learned[] = [];
  for (let seed = 0; seed < seeds; seed++) {
    for (const report of methods) {
      const { method } = report;
      const help = method === 'scratch' ? {} : { source: checkpoint, metaLr };
      const given = { ...common, ...target, ...length.target, ...help, method, classes: parts.target.list, seed };
      const stage = new Stage(`${method}, seed ${seed}`);
      const result = await stage.follow(transfer({ ...given, out: join(out, `${method}-${seed}`) }));
      report.accuracies.push(result.accuracy ?? Number.NaN);
      report.seconds.push(result.seconds);
      report.runs.push(result.run);
      if (result.learned) learned.push(result.learned);
    }
  }
  const { accuracy, run } = pretrained;
  return {
    data,
    source: { network: source.network, classes: parts.source.names, accuracy, run },
    target: {
      network: target.target,
      width: target.width,
      classes: parts.target.names,
      perClass: length.target.perClass,
    },
    metaLr,
    methods,
    learned,
    lambda: await learnedLambda(methods.at(-1)?.runs ?? []),
    out,
    seconds: (performance.now() - start) / 1000,
  };
}

const listed = (names: readonly string[]): string => names.map((name) => shown(name)).join(', ');

/** Half of the classes for the source, the others for the target. */
async function divideClasses(data: string, signal: AbortSignal) {
  const { classNames, train } = await loadData({ data, drawTest: true, signal });
  if (train === undefined || classNames.length < 4) {
    throw invalidData(`${data} does not suit the demo: it needs training images of at least four classes.`);
  }
  const counts = countPerClass(train.labels, classNames.length);
  const all = classNames.map((_, index) => index);
  // For Fashion-MNIST: clothes and shoes in both halves, so that they are related.
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

/** λ of each pair at the start and at the end, means over the seeds. */
async function learnedLambda(runs: readonly string[]) {
  const last = await Promise.all(runs.map(async (run) => (await inspectRun(run)).pairs));
  return (last[0] ?? []).map(({ pair: [source, target] }, i) => ({
    source,
    target,
    start: mean(last.map((pairs) => pairs[i]?.lambdaStart ?? 0)),
    mean: mean(last.map((pairs) => pairs[i]?.lambdaMean ?? 0)),
  }));
}

function format(report: Awaited<ReturnType<typeof demo>>): string {
  const { source, target, metaLr, methods, learned, lambda, out, seconds } = report;
  const percent = (value: number) => (100 * value).toFixed(1);
  const rows = methods.map(({ method, accuracies, seconds: times }) => {
    const each = accuracies.map(percent).join(', ');
    return [method, `${percentOf(accuracies)} %`, each, `${mean(times).toFixed(1)} s`];
  });
  return [
    '',
    `${target.network} (width ${target.width}) on ${target.classes.map((name) => shown(name)).join(', ')}, ${target.perClass} images a class:`,
    '',
    table(['method', 'test accuracy', 'each seed', 'time a run'], rows),
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
    `(The meta-networks' learning rate was ${metaLr}: at the paper's 1e-4 they hardly move in so short a run.)`,
    '',
    `All in ${seconds.toFixed(0)} s; the runs are in ${printable(out)}, each with a report to look at: ${printable(out)}/l2t-ww-0/report.html.`,
    'Next, with your own images in folders DIR/train/CLASS and DIR/test/CLASS:',
    '  l2t-native transfer --source CHECKPOINT --target vgg9_bn --data DIR --out RUN',
    '  l2t-native eval RUN',
    '',
  ].join('\n');
}
