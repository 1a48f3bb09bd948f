import { resolve } from 'node:path';
import type { Command } from 'commander';
import { setupFolder } from '../../setup/libtorch.mjs';
import { download, installLibTorch } from '../setup/archive.js';
import { printable, printableJson } from '../system/printable.js';
import { shares } from './progress.js';

/** Does the same as installLibTorch, but `from` may also be a URL. */
async function setup(options: { readonly from: string; readonly json?: boolean }): Promise<void> {
  const destination = setupFolder();
  const progress = shares();
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

export function register(command: Command): void {
  command
    .requiredOption('--from <zip|dir|url>', 'the archive, the folder it was unpacked to, or its address')
    .option('--json', 'print the result as one JSON document')
    .action(setup);
}
