import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { L2TError } from '../errors.js';
import { Network, type Prediction, type RankedLabel } from '../inference/network.js';
import { flagNames, loadCheckpoint } from '../networks/checkpoint.js';
import { required } from '../options/check.js';
import { threadsWarning } from '../options/cost.js';
import { networkNames } from '../options/networks.js';
import { predictSchema } from '../options/schemas.js';
import { shown } from '../system/printable.js';
import { shellWord } from '../system/shell.js';
import { addFlags, flagOptions } from './flags.js';
import { interruptible } from './interrupt.js';
import { Progress } from './progress.js';
import { table } from './table.js';

type Flags = { readonly json?: boolean } & Record<string, unknown>;
type Outcome = Prediction | L2TError;

export function register(program: Command): void {
  const command = program
    .command('predict')
    .description('classify images with a trained network')
    .argument('<files...>', 'images: PNG, JPEG, WebP or GIF');
  addFlags(command, predictSchema);
  command
    .option('--json', 'print the predictions as one JSON document')
    .action(async (files: string[], flags: Flags) => {
      const progress = new Progress();
      const outcomes = await predict(files, flags, progress).finally(() => progress.stop());
      process.stdout.write(flags.json ? `${JSON.stringify(toJson(files, outcomes))}\n` : format(files, outcomes));
      requireAll(files, outcomes);
    });
}

async function predict(files: readonly string[], flags: Flags, progress: Progress): Promise<Outcome[]> {
  refuseFileAsNetwork(flags.network);
  const options = flagOptions(predictSchema, flags);
  const path = required(predictSchema, options, 'checkpoint');
  const { network: name, width, size, strict, device, threads, batch, top } = options;
  const checkpoint = await loadCheckpoint(path, {
    network: name,
    width,
    size,
    strict,
    names: flagNames,
    onWarning: progress.warn,
  });
  const network = Network.from(checkpoint, { device, threads });
  threadsWarning(threads, network.device).forEach(progress.warn);
  return interruptible(async (signal) => {
    const outcomes: Outcome[] = [];
    for await (const outcome of network.predictEach(files, { batch, top, signal })) {
      outcomes.push(outcome);
      if (outcome instanceof L2TError && files.length > 1) progress.warn(outcome.message);
      progress.data(outcomes.length, files.length);
    }
    return outcomes;
  });
}

/** In earlier versions --network was the checkpoint's file. */
function refuseFileAsNetwork(given: unknown): void {
  if (typeof given !== 'string' || networkNames.some((name) => name === given) || !existsSync(given)) return;
  const message = `--network is '${given}', a file: give it as --checkpoint ${shellWord(given)}. --network is the name of a network, such as resnet32.`;
  throw new L2TError('INVALID_OPTION', message);
}

function toJson(files: readonly string[], outcomes: readonly Outcome[]) {
  return outcomes.map((outcome, i) => {
    const file = files[i];
    if (!(outcome instanceof L2TError)) return { file, ...outcome };
    return { file, error: { code: outcome.code, message: outcome.message } };
  });
}

function format(files: readonly string[], outcomes: readonly Outcome[]): string {
  const share = ({ probability }: RankedLabel) => `${(100 * probability).toFixed(1)} %`;
  const rows = outcomes.flatMap((outcome, i) => {
    if (outcome instanceof L2TError) return [];
    const others = outcome.best.slice(1).map((other) => `${shown(other.label)} ${share(other)}`);
    return [[files[i] as string, shown(outcome.label), share(outcome), others.join(', ')]];
  });
  return rows.length > 0 ? `${table(['file', 'label', '', 'runners-up'], rows)}\n` : '';
}

/** Fails if an image could not be read, after the others were predicted and printed. */
function requireAll(files: readonly string[], outcomes: readonly Outcome[]): void {
  const failed = files.filter((_, i) => outcomes[i] instanceof L2TError);
  const first = outcomes.find((outcome) => outcome instanceof L2TError);
  if (first === undefined) return;
  if (files.length === 1) throw first;
  const more = failed.length > 10 ? ` and ${failed.length - 10} more` : '';
  const names = `${failed.slice(0, 10).join(', ')}${more}`;
  throw new L2TError(first.code, `${failed.length} of ${files.length} images could not be read: ${names}.`);
}
