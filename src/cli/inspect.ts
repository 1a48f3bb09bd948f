import type { Command } from 'commander';
import type { PairMetrics } from '../native/addon.js';
import { featureNames } from '../networks/describe.js';
import { evaluateSchema } from '../options/schemas.js';
import { checkpointPath } from '../options/sources.js';
import type { RunSpec, SourceSpec } from '../options/spec.js';
import { type FileReport, inspectFile, inspectRun, isFolder, type RunReport } from '../report/inspect.js';
import { equalEntropy } from '../report/learned.js';
import type { FoundRate } from '../store/run-data.js';
import { invalidOption } from '../system/failures.js';
import { counted, printable, printableJson, shown } from '../system/printable.js';
import { addFlags, flagOptions, labelOf } from './flags.js';
import { featureTable, pairTable, table } from './table.js';

const schema = evaluateSchema.pick({ network: true, width: true, size: true });

export function register(command: Command): void {
  command.argument('<file>', 'safetensors, .pth, or a run folder');
  addFlags(command, schema)
    .option('--json', 'print it as one JSON document')
    .action(async (given: string, flags: { json?: boolean } & Record<string, unknown>) => {
      const options = flagOptions(schema, flags);
      const path = checkpointPath(given);
      const folder = await isFolder(path);
      const [first] = Object.keys(options);
      if (folder && first !== undefined) {
        throw invalidOption(`${labelOf(first)} is for weights files, and ${path} is a folder: leave it out.`);
      }
      const report = folder ? await inspectRun(path) : await inspectFile(path, options);
      if (flags.json) process.stdout.write(`${printableJson(report)}\n`);
      else process.stdout.write(`${'run' in report ? formatRun(report) : formatFile(report)}\n`);
    });
}

function formatFile({ file, format, network, tensors }: FileReport): string {
  if (network === undefined) {
    const rows = tensors.map(({ name, dtype, shape }) => [shown(name), dtype, shape.join(' × ')]);
    const advice = 'The file does not say which network it holds: --network NAME lists its features.';
    const head = `${printable(file)}: ${format}, ${tensors.length} tensors`;
    return [head, table(['tensor', 'type', 'shape'], rows), advice].join('\n');
  }
  const { name, classes, width, size, classNames, parameters, features } = network;
  return [
    `${printable(file)}: ${format}`,
    `${name}, width ${width}, ${counted(classes, 'class', 'classes')}${classNames ? ` (${shorten(classNames)})` : ''}, ${parameters} parameters, images of ${size}×${size}`,
    featureTable(features),
  ].join('\n');
}

function shorten(names: readonly string[]): string {
  const some = names.slice(0, 10).map((name) => shown(name));
  return names.length > 10 ? `${some.join(', ')}, …` : some.join(', ');
}

function formatRun({ run, verb, options, rates, epochs, endedEarly, pairs, learned, checkpoint }: RunReport): string {
  const { sources, ...others } = options;
  const pairsOf = (k: number) => pairs.filter(({ source }) => source === k);
  const { lr, metaLr } = rates ?? {};
  const found: Record<string, string | undefined> = {
    lr: lr && describeRate(lr),
    metaLr: metaLr === undefined ? undefined : `auto: ${metaLr}`,
  };
  const given = [
    ...Object.entries(others).map(([key, value]) => [key, found[key] ?? String(value)]),
    ...sources.map(({ path, network, width, size, pairs: matched }) => [
      'source',
      `${path}: ${network}, width ${width}, images of ${size}×${size}${matched === undefined ? '' : `, pairs ${matched}`}`,
    ]),
  ];
  return [
    `${printable(run)}: ${verb}, ${epochs} of ${options.epochs} epochs${endedEarly ? ', ended early by --patience' : ''}`,
    table(['option', ''], given),
    ...sources.flatMap((source, k) => formatPairs(source, options, pairsOf(k))),
    ...(learned ? ['', printable(learned.sentence)] : []),
    ...(checkpoint ? ['', formatFile(checkpoint)] : []),
  ].join('\n');
}

function describeRate({ lr, warmUp, diverged }: FoundRate): string {
  const why =
    diverged === null ? 'the loss held at every rate tried' : `the loss was lost at ${diverged.toPrecision(2)}`;
  return `auto: ${lr} (${why}), after a warm-up over ${100 * warmUp} % of the steps`;
}

/** Tables of what the meta-networks learned for a source: λ, and the entropy of w. Not every method has both. */
function formatPairs(source: SourceSpec, options: RunSpec, pairs: readonly PairMetrics[]): string[] {
  const target = { ...options, network: options.target };
  const equal = equalEntropy(source);
  const asTable = (title: string, textOf: (pair: PairMetrics) => string | undefined) => {
    const cells = pairs.flatMap((each) => {
      const text = textOf(each);
      return text === undefined ? [] : [{ pair: each.pair, text }];
    });
    if (cells.length === 0) return [];
    const corner = `${source.network} \\ ${options.target}`;
    const head = `${title} (${printable(source.path)}, last epoch):`;
    return ['', head, pairTable(corner, cells, featureNames(source), featureNames(target))];
  };
  return [
    ...asTable(
      'λ at the start of the run → now ± deviation over the images',
      ({ lambdaStart = 0, lambdaMean, lambdaStd = 0 }) =>
        lambdaMean === undefined
          ? undefined
          : `${lambdaStart.toFixed(2)} → ${lambdaMean.toFixed(2)} ± ${lambdaStd.toFixed(2)}`,
    ),
    ...asTable('entropy of w, nats, of what equal weights have', ({ weightEntropy, pair: [m] }) =>
      weightEntropy === undefined ? undefined : `${weightEntropy.toFixed(4)} of ${equal(m).toFixed(4)}`,
    ),
  ];
}
