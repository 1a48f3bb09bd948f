import { resolve } from 'node:path';
import type { Command } from 'commander';
import { setupFolder } from '../../scripts/libtorch.mjs';
import { download } from '../system/download.js';
import { installLibTorch, type Progress } from '../system/libtorch-archive.js';
import { printable, printableJson } from '../system/printable.js';

/** Shows progress: one changing line on a terminal, else a plain line every tenth. */
function reporter(): Progress {
  let last = -1;
  return (what, done, total) => {
    const share = total === undefined ? undefined : done / Math.max(total, 1);
    const tenth = Math.floor(share === undefined ? done / 1000 : 10 * share);
    const line = share === undefined ? `${what} (${done})` : `${what}: ${Math.floor(100 * share)} %`;
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}${done === total ? '\n' : ''}`);
    else if (tenth !== last) process.stderr.write(`${line}\n`);
    last = tenth;
  };
}

/** As installLibTorch, but `from` may also be a URL. */
async function setup(options: { readonly from: string; readonly json?: boolean }): Promise<void> {
  const destination = setupFolder();
  const progress = reporter();
  const isUrl = /^https?:\/\//.test(options.from);
  const { path, version } = await installLibTorch({
    from: isUrl ? options.from : resolve(options.from),
    ...(isUrl && { fetch: (to: string) => download(options.from, to, progress) }),
    destination,
    progress,
  });
  if (options.json) console.log(printableJson({ path, version }));
  else console.log(`LibTorch ${version} is in ${printable(path)}. Next: npx l2t-native build`);
}

export function register(program: Command): void {
  program
    .command('setup')
    .description('install LibTorch from an official archive, without root')
    .requiredOption('--from <zip|dir|url>', 'the archive, the folder it was unpacked to, or its address')
    .option('--json', 'print the result as one JSON document')
    .action(setup);
}
