/**
 * `npm run test:chaos [-- --minutes N --seed S]`: tries to break the program in every way we know, and prints its
 * finds.
 */
import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { table } from '../../src/cli/table.js';
import { callers } from './callers.js';
import { type Part, type PartReport, runPart } from './campaign.js';
import { concurrency } from './concurrency.js';
import { disk } from './disk.js';
import { entries } from './entries.js';
import { files } from './files.js';
import { kills, killsAtSaves } from './kills.js';
import { limits } from './limits.js';
import { races } from './races.js';
import { soak } from './soak.js';

const parts: readonly Part[] = [kills, killsAtSaves, files, disk, soak, concurrency, limits, entries, callers, races];

const above = (lowest: number, whole: boolean) => (text: string) => {
  const value = Number(text);
  if (!(value >= lowest) || (whole && !Number.isSafeInteger(value)))
    throw new InvalidArgumentError(`not a number from ${lowest} on`);
  return value;
};

const program = new Command('test:chaos')
  .description('kills, damaged files, failing disks, small limits, long and crowded processes: nothing may be found')
  .option(
    '--minutes <n>',
    'how long about, on two cores: each part makes its tries in proportion',
    above(0.01, false),
    10,
  )
  .option('--seed <n>', 'what is drawn; a new one each time where it is not given', above(0, true))
  .option('--part <name...>', `of ${parts.map(({ name }) => name).join(', ')}; all`)
  .option('--tries <n>', 'how many tries each part makes, in place of what --minutes gives', above(1, true))
  .option('--try <n>', 'only this one of them', above(0, true))
  .option('--out <file>', 'also write all counts and finds there, as JSON')
  .parse();

const flags = program.opts<{
  minutes: number;
  seed?: number;
  part?: string[];
  tries?: number;
  try?: number;
  out?: string;
}>();
const seed = flags.seed ?? randomInt(2 ** 31);
const unknown = flags.part?.find((name) => !parts.some((part) => part.name === name));
if (unknown !== undefined) program.error(`error: there is no part '${unknown}'`);

process.stderr.write(`seed ${seed}\n`);
const reports: PartReport[] = [];
for (const part of parts.filter(({ name }) => flags.part?.includes(name) ?? true)) {
  const tries = flags.tries ?? Math.max(1, Math.round((part.perHour * flags.minutes) / 60));
  process.stderr.write(`${part.name} …\n`);
  const report = await runPart(part, seed, tries, flags.try);
  process.stderr.write(
    `${part.name}: ${report.tried} tried, ${report.finds.length} found, ${report.seconds.toFixed(1)} s\n`,
  );
  reports.push(report);
}

const finds = reports.flatMap((report) => report.finds);
const tried = reports.reduce((sum, report) => sum + report.tried, 0);
const leftOut = reports.filter((report) => report.leftOut !== undefined).length;
if (flags.out !== undefined) {
  writeFileSync(
    flags.out,
    `${JSON.stringify({ seed, minutes: flags.minutes, tried, found: finds.length, leftOut, parts: reports }, null, 2)}\n`,
  );
}
const listed = (values: Readonly<Record<string, number>>) =>
  Object.entries(values)
    .map(([name, value]) => `${name} ${Number.isInteger(value) ? value : value.toFixed(1)}`)
    .join(', ');
const rows = reports.map((report) => [
  report.part,
  String(report.tried),
  String(report.finds.length),
  report.seconds.toFixed(1),
  report.leftOut === undefined
    ? [listed(report.kinds), listed(report.figures)].filter(Boolean).join('; ')
    : `left out: ${report.leftOut}`,
]);
process.stdout.write(`${table(['part', 'tried', 'found', 'seconds', 'what'], rows)}\n`);
process.stdout.write(`chaos: seed ${seed}, ${tried} tried, ${finds.length} found, ${leftOut} parts left out\n`);
process.exitCode = finds.length > 0 ? 1 : 0;
