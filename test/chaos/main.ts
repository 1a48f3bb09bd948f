/** `npm run test:chaos [-- --minutes N --seed S]`: tries to break the program in every way we know, and prints what it finds. */
import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import { table } from '../../src/cli/table.js';
import { sum } from '../../src/system/statistics.js';
import { callers } from './callers.js';
import { type Part, runPart } from './campaign.js';
import { concurrency } from './concurrency.js';
import { entries } from './entries.js';
import { files } from './files.js';
import { disk, kills, killsAtSaves } from './interrupted.js';
import { limits } from './limits.js';
import { races } from './races.js';
import { soak } from './soak.js';

const parts: readonly Part[] = [kills, killsAtSaves, files, disk, soak, concurrency, limits, entries, callers, races];
const names = parts.map(({ name }) => name);

const above = (lowest: number) => (text: string) => {
  if (Number(text) >= lowest) return Number(text);
  throw new InvalidArgumentError(`not a number from ${lowest} on`);
};

const flags = new Command('test:chaos')
  .description('kills, damaged files, failing disks, small limits, long and crowded processes: nothing may be found')
  .option('--minutes <n>', 'about how long, on two cores: each part makes tries in proportion', above(0.01), 10)
  .option('--seed <n>', 'what is drawn; a new one each time where it is not given', above(0))
  .addOption(new Option('--part <name...>', 'only these').choices(names).default(names, 'all'))
  .option('--tries <n>', 'how many tries each part makes, in place of what --minutes gives', above(1))
  .option('--try <n>', 'only this one of them', above(0))
  .option('--out <file>', 'also write all counts and finds there, as JSON')
  .parse()
  .opts<{ minutes: number; seed?: number; part: string[]; tries?: number; try?: number; out?: string }>();

const { minutes, seed = randomInt(2 ** 31) } = flags;
process.stderr.write(`seed ${seed}\n`);
const reports: Awaited<ReturnType<typeof runPart>>[] = [];
for (const part of parts.filter(({ name }) => flags.part.includes(name))) {
  process.stderr.write(`${part.name} …\n`);
  const tries = flags.tries ?? Math.max(1, Math.round((part.perHour * minutes) / 60));
  reports.push(await runPart(part, seed, tries, flags.try));
}

const [tried, found] = [sum(reports.map((part) => part.tried)), sum(reports.map(({ finds }) => finds.length))];
const leftOut = reports.filter((part) => part.leftOut !== undefined).length;
const all = { seed, minutes, tried, found, leftOut, parts: reports };
if (flags.out !== undefined) writeFileSync(flags.out, `${JSON.stringify(all, null, 2)}\n`);
const rows = reports.map(({ part, tried, finds, seconds, kinds, figures, leftOut }) => {
  const all = Object.entries({ ...kinds, ...figures });
  const numbers = all.map(([name, value]) => `${name} ${Number(value.toFixed(1))}`);
  const what = leftOut === undefined ? numbers.join(', ') : `left out: ${leftOut}`;
  return [part, String(tried), String(finds.length), seconds.toFixed(1), what];
});
process.stdout.write(`${table(['part', 'tried', 'found', 'seconds', 'what'], rows)}\n`);
process.stdout.write(`chaos: seed ${seed}, ${tried} tried, ${found} found, ${leftOut} parts left out\n`);
process.exitCode = found > 0 ? 1 : 0;
