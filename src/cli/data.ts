import type { Command } from 'commander';
import { checkData, type DataReport, type SplitReport } from '../data/check.js';
import { dataCheckSchema } from '../options/schemas.js';
import { counted, printable, printableJson, shown } from '../system/printable.js';
import { largest, smallest } from '../system/statistics.js';
import { exitCodes } from './failure.js';
import { addFlags, type Flags, flagOptions } from './flags.js';
import { withProgress } from './progress.js';
import { table } from './table.js';

const schema = dataCheckSchema.omit({ data: true });

/** Maximum numbers of listed names (damaged files, images in two splits or classes), and of classes. */
const [maxListed, maxClasses] = [20, 50];

export function register(command: Command): void {
  const check = command
    .command('check')
    .description(
      'check a data set: count and decode its images, and list damaged files and images that are in two splits or classes',
    )
    .argument('<dir>', 'the data set');
  addFlags(check, schema)
    .option('--json', 'print it as one JSON document')
    .action(async (data: string, flags: Flags) => {
      const options = flagOptions(schema, flags);
      const report = await withProgress(({ listing, data: read }, signal) =>
        checkData({ ...options, data, signal, onListed: listing, onProgress: read }),
      );
      process.stdout.write(flags.json ? `${printableJson(report)}\n` : format(report));
      if (report.splits.some(({ damaged }) => damaged.length > 0)) process.exitCode = exitCodes.failure;
    });
}

function format(report: DataReport): string {
  const { columns, folds, splits } = report;
  const head = ['split', 'images', 'a class', 'short side', 'long side', 'turned', 'damaged', 'repeated'];
  const rows = splits.map((split) => [
    split.split,
    String(split.images),
    spread(split.perClass),
    sides(split.short),
    sides(split.long),
    String(split.turned),
    String(split.damaged.length),
    String(split.repeated),
  ]);
  const classes = counted(report.classNames.length, 'class', 'classes');
  const lines = [`${printable(report.folder)}: ${report.layout}, ${classes}${folds > 0 ? `, ${folds} folds` : ''}`];
  if (columns) lines.push(`images in the column ${shown(columns.image)}, labels in ${shown(columns.label)}`);
  lines.push(table(head, rows));
  if (splits.some((split) => split.turned > 0))
    lines.push('turned: stored turned or mirrored, with an EXIF orientation that says so; they are read upright');
  // A damaged row group is the problem of each of its images.
  const damaged = new Set(splits.flatMap((split) => split.damaged.map(({ problem }) => problem)));
  const pair = ([image, other]: readonly [string, string], [one, two]: readonly [string, string]) =>
    `${image} (${shown(one)}) and ${other} (${shown(two)})`;
  const twice = report.shared.map((each) => pair(each.images, each.splits));
  const contradictory = report.inTwoClasses.map((each) => pair(each.images, each.classes));
  lines.push(classTable(report), ...listed('damaged', [...damaged]), ...listed('in two splits', twice));
  lines.push(...listed('in two classes', contradictory));
  lines.push(...report.warnings.map((warning) => `warning: ${printable(warning)}`));
  return `${lines.join('\n')}\n${report.imagesPerSecond.toFixed(0)} images decoded a second\n`;
}

/** Returns the number of images of each class in each split. */
function classTable({ classNames, splits }: DataReport): string {
  const rows = classNames
    .slice(0, maxClasses)
    .map((name, k) => [shown(name), ...splits.map(({ perClass }) => String(perClass[k]))]);
  const more = classNames.length > maxClasses ? `\nand ${classNames.length - maxClasses} more (--json lists all)` : '';
  return table(['class', ...splits.map(({ split }) => split)], rows) + more;
}

/** Returns the range of the numbers of images of a class. */
function spread(perClass: SplitReport['perClass']): string {
  const [min, max] = [smallest(perClass), largest(perClass)];
  return min === max ? String(min) : `${min} to ${max}`;
}

function sides(range: SplitReport['short']): string {
  if (range === undefined) return '';
  const { min, median, max } = range;
  return min === max ? String(min) : `${min} to ${max}, median ${median}`;
}

function listed(what: string, items: readonly string[]): string[] {
  if (items.length === 0) return [];
  const more = items.length > maxListed ? [`  and ${items.length - maxListed} more (--json lists all)`] : [];
  return [`${what}:`, ...items.slice(0, maxListed).map((item) => `  ${printable(item)}`), ...more];
}
