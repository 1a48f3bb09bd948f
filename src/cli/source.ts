import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { getSource } from '../networks/source-files.js';
import { refused } from '../options/check.js';
import { pathOfSource, published, publishedNames } from '../options/sources.js';
import { didYouMean } from '../options/spelling.js';
import { printable, printableJson } from '../system/printable.js';
import { interruptible } from './interrupt.js';
import { shares } from './progress.js';
import { table } from './table.js';

export function register(command: Command): void {
  command
    .command('list')
    .description('list published weight files: size, licence, checksum, address')
    .option('--json', 'print them as one JSON document')
    .action(({ json }: { json?: boolean }) => {
      const found = publishedNames.map((name) => {
        const path = pathOfSource(name);
        return { name, ...published[name], path, fetched: existsSync(path) };
      });
      process.stdout.write(json ? `${printableJson(found)}\n` : `${format(found)}\n\n${explanation}\n`);
    });
  command
    .command('get')
    .description('fetch a weight file and check it: after that its name is enough, as in --source resnet34')
    .argument('<name>', 'a name of l2t-native source list')
    .option('--from <file|url>', 'a file, or the address of a mirror, in place of the published address')
    .option('--json', 'print the result as one JSON document')
    .action(get);
}

const explanation =
  'Eight digits of a SHA-256 find damage, not an attack. l2t-native source get NAME fetches one; docs/sources.md says more.';

async function get(argument: string, { from, json }: { from?: string; json?: boolean }): Promise<void> {
  const name = publishedNames.find((each) => each === argument);
  if (name === undefined) {
    throw refused('The source', argument, `one of ${publishedNames.join(', ')}`, didYouMean(argument, publishedNames));
  }
  const path = pathOfSource(name);
  const row = published[name];
  const show = shares();
  const onProgress = (done: number, total?: number) => show(`fetching ${name}`, done, total);
  const existed = await interruptible((signal) => getSource(name, row, path, { from, signal, onProgress }));
  const { network, licence } = row;
  if (json) process.stdout.write(`${printableJson({ name, path, network, licence, fetched: !existed })}\n`);
  else
    process.stdout.write(
      `${printable(path)}${existed ? ' was there already' : ''} (${licence}). Next: --source ${name}\n`,
    );
}

const format = (found: readonly ({ name: string; fetched: boolean } & (typeof published)[keyof typeof published])[]) =>
  table(
    ['source', 'network', 'trained on', 'MiB', 'SHA-256', 'fetched', 'licence', 'address'],
    found.map(({ name, network, trainedOn, mebibytes, sha256, fetched, licence, url }) => [
      ...[name, network, trainedOn, mebibytes.toFixed(3), sha256.slice(0, 8), fetched ? 'yes' : '', licence, url],
    ]),
  );
