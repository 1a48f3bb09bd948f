import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { countPerClass } from '../data/dataset.js';
import { loadData } from '../data/load.js';
import { L2TError } from '../errors.js';
import type { EpochMetrics } from '../native/addon.js';
import { demoSchema } from '../options/schemas.js';
import { pretrain } from '../run/pretrain.js';
import { transfer } from '../run/transfer.js';
import { firstFree, requireUnusedByRuns } from '../store/new-folder.js';
import { readText } from '../system/files.js';
import { printableJson, shown } from '../system/printable.js';
import { type DemoReport, formatDemo, type MethodReport } from './demo-report.js';
import { addFlags, flagOptions } from './flags.js';
import { interruptible } from './interrupt.js';
import { Stage } from './stage.js';

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

export function register(program: Command): void {
  const command = program
    .command('demo')
    .description(
      'show what transfer gives with few images: pretrain a small source on half of the classes, then learn the others',
    )
    .option('--quick', 'one seed and shorter runs');
  addFlags(command, demoSchema);
  command
    .option('--json', 'print the result as one JSON document')
    .action(async ({ quick: short, json, ...flags }: { quick?: boolean; json?: boolean } & Record<string, unknown>) => {
      const options = flagOptions(demoSchema, flags);
      const report = await interruptible((signal) => demo({ ...options, quick: short === true, signal }));
      process.stdout.write(json ? `${printableJson(report)}\n` : formatDemo(report));
    });
}

interface DemoOptions {
  readonly data?: string | undefined;
  readonly out?: string | undefined;
  readonly threads?: number | undefined;
  readonly seeds?: number | undefined;
  readonly quick: boolean;
  readonly signal: AbortSignal;
}

async function demo(options: DemoOptions): Promise<DemoReport> {
  const start = performance.now();
  const { threads, signal, data = embedded } = options;
  const out = options.out ?? firstFree('runs', 'demo');
  await requireUnusedByRuns(out);
  const length = options.quick ? quick : full;
  const seeds = options.seeds ?? length.seeds;
  const parts = await divideClasses(data, signal);
  process.stderr.write(
    `${source.network} learns ${listed(parts.source.names)}; then ${target.target} learns ${listed(parts.target.names)} from ${length.target.perClass} images each, by each method ${seeds === 1 ? 'once' : `${seeds} times`}.\n`,
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
  const methods: MethodReport[] = [
    { method: 'scratch', accuracies: [], seconds: [], runs: [] },
    { method: 'l2t-ww', accuracies: [], seconds: [], runs: [] },
  ];
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
    }
  }
  return {
    data,
    source: {
      network: source.network,
      classes: parts.source.names,
      accuracy: pretrained.accuracy,
      run: pretrained.run,
    },
    target: {
      network: target.target,
      width: target.width,
      classes: parts.target.names,
      perClass: length.target.perClass,
    },
    metaLr,
    methods,
    lambda: await learnedLambda(methods[1]?.runs ?? []),
    out,
    seconds: (performance.now() - start) / 1000,
  };
}

const listed = (names: readonly string[]): string => names.map((name) => shown(name)).join(', ');

interface Part {
  readonly names: readonly string[];
  /** The names in the form of the option `classes`. */
  readonly list: string;
  /** Training images of the class that has the fewest. */
  readonly smallest: number;
}

/** Half of the classes for the source, the others for the target. */
async function divideClasses(data: string, signal: AbortSignal): Promise<{ source: Part; target: Part }> {
  const { classNames, train } = await loadData({ data, drawTest: true, signal });
  if (train === undefined || classNames.length < 4) {
    throw new L2TError(
      'INVALID_DATA',
      `${data} does not suit the demo: it needs training images of at least four classes.`,
    );
  }
  const counts = countPerClass(train.labels, classNames.length);
  const all = classNames.map((_, index) => index);
  // For Fashion-MNIST: clothes and shoes in both halves, so that they are related.
  const forSource = classNames.length === 10 ? [0, 1, 3, 5, 7] : all.filter((index) => index % 2 === 0);
  // A list of names is separated by commas.
  const nameOrIndex = (index: number) => ((classNames[index] as string).includes(',') ? index : classNames[index]);
  const part = (indices: readonly number[]): Part => ({
    names: indices.map((index) => classNames[index] as string),
    list: indices.map(nameOrIndex).join(','),
    smallest: Math.min(...indices.map((index) => counts[index] as number)),
  });
  return { source: part(forSource), target: part(all.filter((index) => !forSource.includes(index))) };
}

/** λ of each pair at the end, mean over the seeds. */
async function learnedLambda(runs: readonly string[]): Promise<DemoReport['lambda']> {
  const sums = new Map<string, { source: number; target: number; sum: number }>();
  for (const run of runs) {
    const lines = (await readText(join(run, 'metrics.jsonl'))).trimEnd().split('\n');
    const { pairs } = JSON.parse(lines.at(-1) as string) as EpochMetrics;
    for (const { pair, lambdaMean = 0 } of pairs) {
      const [m, n] = pair;
      const entry = sums.get(`${m}-${n}`) ?? { source: m, target: n, sum: 0 };
      sums.set(`${m}-${n}`, { ...entry, sum: entry.sum + lambdaMean });
    }
  }
  return [...sums.values()].map(({ source, target, sum }) => ({ source, target, mean: sum / runs.length }));
}
