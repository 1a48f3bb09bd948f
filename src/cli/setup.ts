import { createWriteStream } from 'node:fs';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { setupFolder } from '../../scripts/libtorch.mjs';
import { L2TError } from '../errors.js';
import { installLibTorch, type Progress } from '../system/libtorch-archive.js';

/** Official archives have up to 4 GB. */
const largestDownload = 2 ** 33;
/** A server that sends nothing for so long is given up, milliseconds. */
const patience = 60_000;

/** Says how far it is: in one changing line on a terminal, else a plain line every tenth. */
function reporter(): Progress {
  let last = -1;
  return (what, done, total) => {
    const tenth = total === undefined ? Math.floor(done / 1000) : Math.floor((10 * done) / Math.max(total, 1));
    const line =
      total === undefined ? `${what} (${done})` : `${what}: ${Math.floor((100 * done) / Math.max(total, 1))} %`;
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}${done === total ? '\n' : ''}`);
    else if (tenth !== last) process.stderr.write(`${line}\n`);
    last = tenth;
  };
}

function unreachable(url: string, reason: string, cause?: unknown): L2TError {
  return new L2TError(
    'LIBTORCH_NOT_FOUND',
    `Cannot fetch ${url}: ${reason}. Fetch the archive on a machine that can, then: l2t-native setup --from FILE.`,
    { cause },
  );
}

/** What lies behind fetch's "fetch failed". */
function why(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error ? cause.message || (cause as NodeJS.ErrnoException).code || message : message;
}

/** Fetches `url` into `path`. @throws L2TError LIBTORCH_NOT_FOUND with the server's or the network's reason. */
export async function download(url: string, path: string, progress: Progress): Promise<void> {
  const abort = new AbortController();
  const giveUp = (): void => abort.abort(new Error(`nothing arrived for ${patience / 1000} s`));
  let timer = setTimeout(giveUp, patience);
  try {
    const response = await fetch(url, { signal: abort.signal });
    if (!response.ok || response.body === null)
      throw new Error(`the server answers ${response.status} ${response.statusText}`);
    const length = Number(response.headers.get('content-length')) || undefined;
    let done = 0;
    const counted = async function* (source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      for await (const chunk of source) {
        clearTimeout(timer);
        timer = setTimeout(giveUp, patience);
        done += chunk.length;
        if (done > largestDownload) throw new Error(`it is larger than ${largestDownload} bytes`);
        progress('fetching LibTorch', done, length);
        yield chunk;
      }
      if (length !== undefined && done !== length) throw new Error(`it ended after ${done} of ${length} bytes`);
    };
    await pipeline(Readable.fromWeb(response.body), counted, createWriteStream(path));
  } catch (error) {
    throw unreachable(url, why(error), error);
  } finally {
    clearTimeout(timer);
  }
}

/** The same as installLibTorch, where `from` may be a URL. */
async function setup(options: { readonly from: string; readonly json?: boolean }): Promise<void> {
  const destination = setupFolder();
  const progress = reporter();
  const isUrl = /^https?:\/\//.test(options.from);
  const { path, version } = await installLibTorch({
    from: isUrl ? options.from : resolve(options.from),
    ...(isUrl && { fetch: (to: string) => download(options.from, to, progress) }),
    ...{ destination, progress },
  });
  if (options.json) console.log(JSON.stringify({ path, version }));
  else console.log(`LibTorch ${version} is in ${path}. Next: npx l2t-native build`);
}

export function register(program: Command): void {
  program
    .command('setup')
    .description('take LibTorch from an official archive, without root')
    .requiredOption('--from <zip|dir|url>', 'the archive, the folder it was unpacked to, or its address')
    .option('--json', 'print the result as one JSON document')
    .action(setup);
}
