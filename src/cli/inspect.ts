import type { Command } from 'commander';
import type { PairMetrics } from '../native/addon.js';
import { featureNames } from '../networks/describe.js';
import { evaluateSchema } from '../options/schemas.js';
import { checkpointPath, isOnnx } from '../options/sources.js';
import type { RunSpec, SourceSpec } from '../options/spec.js';
import {
  type FileReport,
  inspectFile,
  inspectOnnx,
  inspectRun,
  isFolder,
  type OnnxReport,
  type RunReport,
} from '../report/inspect.js';
import { equalEntropy } from '../report/learned.js';
import type { FoundRate } from '../store/run-data.js';
import { invalidOption } from '../system/failures.js';
import { counted, printable, printableJson, shown } from '../system/printable.js';
import { addFlags, type Flags, flagOptions, labelOf } from './flags.js';
import { featureTable, pairTable, table } from './table.js';

const schema = evaluateSchema.pick({ network: true, width: true, size: true });

export function register(command: Command): void {
  command.argument('<file>', 'safetensors, .pth, .onnx, or a run folder');
  addFlags(command, schema)
    .option('--json', 'print it as one JSON document')
    .action(async (file: string, flags: Flags) => {
      const options = flagOptions(schema, flags);
      const path = checkpointPath(file);
      const folder = await isFolder(path);
      const [first] = Object.keys(options);
      if (folder && first !== undefined) {
        throw invalidOption(`${labelOf(first)} is for weights files, and ${path} is a folder: leave it out.`);
      }
      const onnx = !folder && isOnnx(path);
      const named = Object.keys(options).find((key) => key !== 'size');
      if (onnx && named !== undefined) {
        throw invalidOption(`${labelOf(named)} is for weights files, and ${path} holds its graph: leave it out.`);
      }
      const report = await (folder ? inspectRun(path) : onnx ? inspectOnnx(path, options) : inspectFile(path, options));
      process.stdout.write(`${flags.json ? printableJson(report) : format(report)}\n`);
    });
}

function format(report: FileReport | OnnxReport | RunReport): string {
  if ('run' in report) return formatRun(report);
  return 'runtime' in report ? formatOnnx(report) : formatFile(report);
}

function formatOnnx(report: OnnxReport): string {
  const { file, runtime, input, size, batch, normalisation, normalisationFrom, features, outputs } = report;
  const { mean, std } = normalisation;
  const rows = features.map(({ name, channels, side, layout, skip, taken }) => [
    shown(name),
    String(channels),
    `${side}×${side}`,
    skip > 0 ? `${layout}, without the first ${skip}` : layout,
    taken ? 'yes' : '',
  ]);
  const offered =
    rows.length > 0
      ? table(['feature', 'channels', 'size', 'layout', 'taken'], rows)
      : 'no feature map that every path from the images passes: --source-maps names tensors';
  return [
    `${printable(file)}: ONNX, run by ONNX Runtime ${runtime}`,
    `input ${shown(input)}: ${batch ?? 'any number of'} images of ${size}×${size}`,
    `pixels in [0, 1], less ${mean.map(short).join(', ')}, by ${std.map(short).join(', ')} (from ${normalisationFrom})`,
    `outputs: ${shorten(outputs)}; ${classesOf(report)}`,
    offered,
  ].join('\n');
}

/** Returns at most four digits. */
const short = (value: number): string => String(Number(value.toPrecision(4)));

function classesOf({ classes, classNames }: Pick<OnnxReport, 'classes' | 'classNames'>): string {
  return `${counted(classes, 'class', 'classes')}${classNames ? ` (${shorten(classNames)})` : ''}`;
}

function formatFile({ file, format, network, tensors }: FileReport): string {
  if (network === undefined) {
    const rows = tensors.map(({ name, dtype, shape }) => [shown(name), dtype, shape.join(' × ')]);
    const advice = 'The file does not say which network it holds: --network NAME lists its features.';
    const head = `${printable(file)}: ${format}, ${tensors.length} tensors`;
    return [head, table(['tensor', 'type', 'shape'], rows), advice].join('\n');
  }
  const { name, width, size, parameters, features } = network;
  return [
    `${printable(file)}: ${format}`,
    `${name}, width ${width}, ${classesOf(network)}, ${parameters} parameters, images of ${size}×${size}`,
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
  const rows = [
    ...Object.entries(others).map(([key, value]) => [key, found[key] ?? String(value)]),
    ...sources.map(({ path, network, width, size, pairs: matched }) => [
      'source',
      `${path}: ${network}, width ${width}, images of ${size}×${size}${matched === undefined ? '' : `, pairs ${matched}`}`,
    ]),
  ];
  return [
    `${printable(run)}: ${verb}, ${epochs} of ${options.epochs} epochs${endedEarly ? ', ended early by --patience' : ''}`,
    table(['option', ''], rows),
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

/** Returns tables of what the meta-networks learned for a source: λ, and the entropy of w. Some methods lack one. */
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
