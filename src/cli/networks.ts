import type { Command } from 'commander';
import { type NetworkSummary, networks } from '../networks/summary.js';
import { checkOptions } from '../options/check.js';
import { networkNames } from '../options/networks.js';
import { networksSchema } from '../options/schemas.js';
import { printableJson } from '../system/printable.js';
import { addFlags, type Flags, flagOptions } from './flags.js';
import { featureTable, table } from './table.js';

const schema = networksSchema.omit({ network: true });

export function register(command: Command): void {
  command.argument('[name]', 'only this network, with its feature maps one by one');
  addFlags(command, schema)
    .option('--json', 'print them as one JSON document')
    .action((name: string | undefined, flags: Flags) => {
      const { network } = checkOptions(networksSchema.pick({ network: true }), { network: name }, () => 'The network');
      const found = networks({ network, ...flagOptions(schema, flags) });
      const [first] = found as [NetworkSummary];
      const text = flags.json ? printableJson(found) : network === undefined ? formatAll(found) : formatOne(first);
      process.stdout.write(`${text}\n`);
    });
}

const inMillions = (count: number): string => `${(count / 1e6).toFixed(2)} M`;
const inBillions = (count: number): string => (count / 1e9).toFixed(2);

const explanation =
  'Parameters are those with 1,000 classes. GFLOP: of one image; a multiplication and an addition count as two.';

function formatAll(found: readonly NetworkSummary[]): string {
  const rows = found.map(({ name, size, parameters, flops, features }) => [
    name,
    `${size}×${size}`,
    inMillions(parameters),
    inBillions(flops),
    features
      .filter(({ candidate }) => candidate)
      .map(({ index, channels, size: side }) => `${index}: ${channels}@${side}×${side}`)
      .join(', '),
  ]);
  const head = ['network', 'images', 'parameters', 'GFLOP', 'features that can be paired (channels@size)'];
  const omitted = networkNames.filter((known) => !found.some(({ name }) => name === known)).join(', ');
  const small = omitted && `Left out, because the images are too small for them: ${omitted}.\n`;
  return `${table(head, rows)}\n\n${small}${explanation}`;
}

function formatOne({ name, alias, size, width, parameters, flops, torchvision, features }: NetworkSummary): string {
  const files = torchvision ? "torchvision's weight files are read as they are" : 'torchvision has no such network';
  const about = `width ${width}, ${inMillions(parameters)} parameters, ${inBillions(flops)} GFLOP an image of ${size}×${size}`;
  const title = `${name}${alias ? ` (timm: ${alias})` : ''}: ${about}; ${files}`;
  return [title, featureTable(features), '', explanation].join('\n');
}
