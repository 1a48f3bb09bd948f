import type { MethodName } from '../options/methods.js';
import { printable, shown } from '../system/printable.js';
import { mean, percentOf } from '../system/statistics.js';
import { pairTable } from './pair-table.js';
import { table } from './table.js';

export interface MethodReport {
  readonly method: MethodName;
  /** On the test images, in [0, 1], one a seed. */
  readonly accuracies: number[];
  readonly seconds: number[];
  readonly runs: string[];
}

export interface DemoReport {
  readonly data: string;
  readonly source: {
    readonly network: string;
    readonly classes: readonly string[];
    readonly accuracy: number | null;
    readonly run: string;
  };
  readonly target: {
    readonly network: string;
    readonly width: number;
    readonly classes: readonly string[];
    readonly perClass: number;
  };
  readonly metaLr: number;
  readonly methods: readonly MethodReport[];
  /** λ after training, mean over images and seeds. */
  readonly lambda: readonly { readonly source: number; readonly target: number; readonly mean: number }[];
  readonly out: string;
  readonly seconds: number;
}

export function formatDemo({ source, target, metaLr, methods, lambda, out, seconds }: DemoReport): string {
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
    'Learned λ, how much each feature of the source (rows) is transferred to each of the target (columns):',
    '',
    pairTable(
      `${source.network} \\ ${target.network}`,
      lambda.map(({ source: m, target: n, mean: value }) => ({ pair: [m, n], text: value.toFixed(2) })),
    ),
    '',
    `(The meta-networks' learning rate was ${metaLr}: at the paper's 1e-4 they hardly move in so short a run.)`,
    '',
    `All in ${seconds.toFixed(0)} s; the runs are in ${printable(out)}, each with a report to look at: ${printable(out)}/l2t-ww-0/report.html.`,
    'Next, with your own images in folders DIR/train/CLASS and DIR/test/CLASS:',
    `  l2t-native transfer --source CHECKPOINT --source-network resnet32 --target vgg9_bn --data DIR --out RUN`,
    '  l2t-native eval RUN/best.safetensors --data DIR',
    '',
  ].join('\n');
}
