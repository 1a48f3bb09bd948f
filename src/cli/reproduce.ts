import type { Command } from 'commander';
import { stringify } from 'yaml';
import { titleOf } from '../experiments/plan.js';
import { type Preset, presetNamed, presets } from '../experiments/presets.js';
import {
  type DryRun,
  dryRun,
  type PlanReproductionOptions,
  planReproduction,
  type ReproduceOptions,
  reproduce,
  resumeReproduction,
} from '../experiments/reproduce.js';
import { defaultOf } from '../options/check.js';
import { reproduceSchema } from '../options/schemas.js';
import { invalidOption } from '../system/failures.js';
import { duration, printableJson, printableLines } from '../system/printable.js';
import { addExperimentFlags, runExperiment } from './experiment-verb.js';
import { type Flags, givenFlags, labelOf, mergedOptions } from './flags.js';
import { interruptible } from './interrupt.js';
import { table } from './table.js';

export function register(command: Command): void {
  command
    .argument('[name]', 'the experiment; --list shows all')
    .option('--list', 'show all experiments, and which data and sources each needs, and where to get them')
    .option('--dry-run', 'print the options, and how long it would take here: a few steps of each method are timed');
  addExperimentFlags(
    command,
    reproduceSchema,
    "The experiment's own values are the defaults (--dry-run prints them); those in parentheses hold where it has none.",
  ).action((name: string | undefined, flags: Flags) => {
    if (flags.list) return showList(name, flags);
    const other = (['plan', 'collect', 'jsonLines'] as const).find((key) => flags.dryRun && flags[key] !== undefined);
    if (other !== undefined) {
      throw invalidOption(`--dry-run trains and writes nothing: leave out ${labelOf(other)}, or --dry-run.`);
    }
    if (flags.dryRun && flags.resume === undefined) return showDryRun(requireName(name), flags);
    const known = (['resume', 'collect'] as const).find((key) => flags[key] !== undefined);
    if (known !== undefined && name !== undefined) {
      throw invalidOption(`--${known} knows which experiment it is: leave out ${name}.`);
    }
    return runExperiment(reproduceSchema, flags, {
      begin: (options: ReproduceOptions) => reproduce(requireName(name), options),
      plan: (folder, options: PlanReproductionOptions) => planReproduction(requireName(name), folder, options),
      resume: resumeReproduction,
    });
  });
}

function requireName(name: string | undefined): string {
  if (name !== undefined) return name;
  throw invalidOption('The name of an experiment is missing: l2t-native reproduce --list shows them.');
}

async function showList(name: string | undefined, { json, ...flags }: Flags): Promise<void> {
  const [first] = givenFlags(flags).find(([key]) => key !== 'list') ?? [];
  if (first !== undefined) throw invalidOption(`--list only shows what there is: leave out ${labelOf(first)}.`);
  const all = name === undefined ? await presets() : [await presetNamed(name, ['compare', 'curve', 'pretrain'])];
  process.stdout.write(json ? `${printableJson(all)}\n` : `${all.map(presetLine).join('\n\n')}\n`);
}

function presetLine({ name, verb, title, data, sources }: Preset): string {
  const count = `${data.images.toLocaleString('en')} training images, ${data.classes} classes`;
  return [
    `${name}: ${title}`,
    `  data: ${data.name}, ${count}; ${data.from}${data.split === undefined ? '' : "; the authors' validation images"}`,
    ...sources.map(
      ({ network, trainedOn, classes, from }) =>
        `  source: ${network} trained on ${trainedOn}, ${classes} classes; ${from}`,
    ),
    `  l2t-native ${verb === 'pretrain' ? `pretrain --preset ${name}` : `reproduce ${name}`} --data DIR${' --source-weights FILE'.repeat(sources.length)}`,
  ].join('\n');
}

async function showDryRun(name: string, flags: Flags): Promise<void> {
  const onMethod = (label: string) => process.stderr.write(`timing ${label}\n`);
  const options = await mergedOptions(reproduceSchema, flags);
  const result = await interruptible((signal) => dryRun(name, { ...options, signal, onMethod }));
  process.stdout.write(flags.json ? `${printableJson(result)}\n` : formatDryRun(result));
}

function formatDryRun({ preset, options, counted, estimate }: DryRun): string {
  const { seeds = defaultOf(reproduceSchema, 'seeds') } = options;
  const rows = estimate.entries.map(({ msPerStep, steps, seconds, ...row }) => [
    titleOf(row),
    `${msPerStep.toFixed(1)} ms`,
    steps.toLocaleString('en'),
    duration(seconds),
  ]);
  return [
    `${preset}, with these options:`,
    printableLines(stringify(options, { lineWidth: 0 }).trimEnd().replaceAll(/^/gm, '  ').split('\n')),
    '',
    table(['method', 'a step', 'steps', 'a run'], rows),
    `${rows.length} × ${seeds} runs: about ${duration(estimate.seconds)} on this machine, without decoding and validation.`,
    counted
      ? 'The training images were counted.'
      : 'The training images are as many as were published: --data counts yours.',
    '',
  ].join('\n');
}
