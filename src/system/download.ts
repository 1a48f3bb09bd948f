import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { L2TError } from '../errors.js';
import type { Progress } from './libtorch-archive.js';

/** Bytes. Official archives have up to 4 GB. */
const largestDownload = 2 ** 33;
/** Milliseconds without any data after which the download fails. */
const patience = 60_000;

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
    // `fetch` itself only says "fetch failed": its cause has the reason.
    const { cause, message } = error as Error;
    const reason = (cause instanceof Error && (cause.message || (cause as NodeJS.ErrnoException).code)) || message;
    const proxied = Object.keys(process.env).some((name) => /^https?_proxy$/i.test(name));
    throw new L2TError(
      'LIBTORCH_NOT_FOUND',
      `Cannot fetch ${url}: ${reason}. Fetch the archive ${proxied ? 'through the proxy, which Node does not use, such as with curl -LO' : 'on a machine that can'}, then: l2t-native setup --from FILE.`,
      { cause: error },
    );
  } finally {
    clearTimeout(timer);
  }
}
