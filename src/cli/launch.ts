import type { Command } from 'commander';
import * as z from 'zod';
import { L2TError } from '../errors.js';
import { splitAddress } from '../group/options.js';
import { addon } from '../native/addon.js';
import { refused, required } from '../options/check.js';
import { text, whole } from '../options/row.js';
import { didYouMean } from '../options/suggest.js';
import { freePort, loopback } from '../system/free-port.js';
import { availableCores } from '../system/threads.js';
import { addFlags, flagOptions } from './flags.js';
import { Ranks } from './ranks.js';

/** What several processes can do together. */
const verbs = ['transfer', 'pretrain', 'eval', 'bench'] as const;

const schema = z.strictObject({
  nproc: whole(1, 256, 'processes to start on this host'),
  nnodes: whole(1, 256, 'hosts, on each of which this command is started', { default: 1 }),
  nodeRank: whole(0, 255, "this host's place among them, from 0; rank 0 is on host 0"),
  master: text(
    'host:port',
    'HOST:PORT of rank 0, with a port from 1 to 65535',
    'where rank 0 listens; of several hosts',
  ),
});

export function register(program: Command): void {
  const command = program
    .command('launch')
    .description(`compute one run by several processes, here or on several hosts: ${verbs.join(', ')}`)
    .argument('<verb...>', 'after --, a command such as: transfer --target vgg9_bn --data photos');
  addFlags(command, schema);
  command.action(async (words: string[], flags: Record<string, unknown>) => {
    const plan = await planOf(words, flagOptions(schema, flags));
    process.exitCode = await new Ranks(words, plan).ended;
  });
}

/** The environment of each rank that is to be started here. */
async function planOf(
  [verb = '', ...args]: readonly string[],
  given: Partial<z.output<typeof schema>>,
): Promise<readonly Readonly<Record<string, string>>[]> {
  requireVerb(verb);
  const { nnodes = 1, nodeRank, master } = given;
  const nproc = required(schema, given, 'nproc');
  const node = nodeRank ?? 0;
  if (node >= nnodes) throw refused('--node-rank', node, `below --nnodes, which is ${nnodes}`);
  if (nnodes > 1) for (const key of ['nodeRank', 'master'] as const) required(schema, given, key);
  const { host, port } =
    master === undefined ? { host: loopback, port: await freePort() } : splitAddress(master, '--master');
  const size = nnodes * nproc;
  if (size > 1 && !addon().groups()) {
    throw new L2TError(
      'DEVICE_UNAVAILABLE',
      'This build cannot compute one run by several processes: its LibTorch has no c10d with Gloo, or was built without libgloo-dev (docs/scale.md). Run the command without launch.',
    );
  }
  return Array.from({ length: nproc }, (_, local) => ({
    RANK: String(node * nproc + local),
    WORLD_SIZE: String(size),
    LOCAL_RANK: String(local),
    LOCAL_WORLD_SIZE: String(nproc),
    MASTER_ADDR: host,
    MASTER_PORT: String(port),
    ...threadsOf(args, nproc),
  }));
}

function requireVerb(verb: string): void {
  if (verbs.some((known) => known === verb)) return;
  throw new L2TError(
    'INVALID_OPTION',
    `l2t-native launch cannot start ${verb}: several processes together compute one of ${verbs.join(', ')}.${didYouMean(verb, verbs)}`,
  );
}

/** The cores, shared out, unless the person says how many threads there are to be. */
function threadsOf(args: readonly string[], nproc: number): Readonly<Record<string, string>> {
  const given = args.some((word) => /^--threads(=|$)/.test(word)) || process.env.OMP_NUM_THREADS !== undefined;
  return given ? {} : { OMP_NUM_THREADS: String(Math.max(1, Math.floor(availableCores() / nproc))) };
}
