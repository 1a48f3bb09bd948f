import type { Command } from 'commander';
import type { PairMetrics } from '../addon.js';
import { type FileReport, inspectFile, inspectRun, isFolder, type RunReport } from '../inspect.js';
import { evaluateSchema } from '../options.js';
import { addFlags, flagOptions } from './flags.js';
import { table } from './table.js';

const schema = evaluateSchema.pick({ network: true, width: true, size: true });

export function register(program: Command): void {
  const command = program
    .command('inspect')
    .description('what a weights file or a run folder holds: network, features, options, λ and w')
    .argument('<file>', 'safetensors, .pth, or a run folder');
  addFlags(command, schema);
  command
    .option('--json', 'print it as one JSON document')
    .action(async (path: string, flags: { json?: boolean } & Record<string, unknown>) => {
      const options = flagOptions(schema, flags);
      const folder = await isFolder(path);
      const report = folder ? await inspectRun(path) : await inspectFile(path, options);
      if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
      else process.stdout.write(`${'run' in report ? formatRun(report) : formatFile(report)}\n`);
    });
}

function formatFile({ file, format, network, tensors }: FileReport): string {
  if (network === undefined) {
    const rows = tensors.map(({ name, dtype, shape }) => [name, dtype, shape.join(' × ')]);
    const advice = 'Which network it is, the file does not say: --network NAME lists its features.';
    return [`${file}: ${format}, ${tensors.length} tensors`, table(['tensor', 'type', 'shape'], rows), advice].join(
      '\n',
    );
  }
  const { name, classes, width, size, classNames, parameters, features } = network;
  const rows = features.map(({ index, channels, size: side, candidate }) => [
    String(index),
    String(channels),
    `${side}×${side}`,
    candidate ? 'yes' : '',
  ]);
  return [
    `${file}: ${format}`,
    `${name}, width ${width}, ${classes} classes${classNames ? ` (${shorten(classNames)})` : ''}, ${parameters} parameters, images of ${size}×${size}`,
    table(['feature', 'channels', 'size', 'candidate'], rows),
  ].join('\n');
}

function shorten(names: readonly string[]): string {
  return names.length > 10 ? `${names.slice(0, 10).join(', ')}, …` : names.join(', ');
}

function formatRun({ run, verb, options, epochs, pairs, checkpoint }: RunReport): string {
  const given = Object.entries(options).map(([key, value]) => [key, String(value)]);
  return [
    `${run}: ${verb}, ${epochs} of ${options.epochs} epochs`,
    table(['option', ''], given),
    ...(pairs.length > 0 ? ['', 'in the last epoch:', formatPairs(pairs)] : []),
    ...(checkpoint ? ['', formatFile(checkpoint)] : []),
  ].join('\n');
}

function formatPairs(pairs: readonly PairMetrics[]): string {
  const number = (value: number | undefined) => (value === undefined ? '' : value.toFixed(4));
  const rows = pairs.map(({ pair: [m, n], lambdaMean, lambdaStd, weightEntropy }) => [
    `${m}-${n}`,
    number(lambdaMean),
    number(lambdaStd),
    number(weightEntropy),
  ]);
  return table(['pair', 'λ mean', 'λ deviation', 'entropy of w, nats'], rows);
}
