import { createWriteStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Response } from 'undici';
import { L2TError } from '../errors.js';
import { fileError } from './files.js';
import type { Progress } from './libtorch-archive.js';

/** Bytes. Official archives have up to 4 GB. */
const largestArchive = 2 ** 33;
/** Milliseconds without any data after which the download fails. */
const patience = 60_000;
const mostRedirects = 5;
/** The system's errors that are not of the network. */
const ofDisk = /^E(NOSPC|DQUOT|FBIG|ACCES|PERM|ROFS|ISDIR|NOENT|NOTDIR|IO)$/;

/** Fetches an archive into `path`. @throws L2TError LIBTORCH_NOT_FOUND with the server's or the network's reason. */
export async function download(url: string, path: string, progress: Progress): Promise<void> {
  const onProgress = (done: number, total?: number): void => progress('fetching LibTorch', done, total);
  await fetchFile(url, path, { maxBytes: largestArchive, onProgress }).catch((cause: Error) => {
    if (cause instanceof L2TError) throw cause;
    throw new L2TError(
      'LIBTORCH_NOT_FOUND',
      `Cannot fetch ${url}: ${cause.message}. Fetch the archive on a machine that can, then: l2t-native setup --from FILE.`,
      { cause },
    );
  });
}

interface Fetching {
  readonly maxBytes: number;
  /** Refuses what is not encrypted, except at 127.0.0.1; also where a server redirects to it. */
  readonly secure?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress: (done: number, total?: number) => void;
}

/**
 * Fetches `url` into the file `path`, through the proxy that the environment names. A file that is there is what an
 * interrupted call left: the rest is fetched, if the server can send parts.
 * @throws Error with the server's or the network's reason; L2TError FILE_ACCESS if the file cannot be written.
 */
export async function fetchFile(url: string, path: string, fetching: Fetching): Promise<void> {
  const { maxBytes, onProgress } = fetching;
  const silence = new AbortController();
  const giveUp = (): void => silence.abort(new Error(`nothing arrived for ${patience / 1000} s`));
  let timer = setTimeout(giveUp, patience);
  const signal = AbortSignal.any([silence.signal, ...(fetching.signal ? [fetching.signal] : [])]);
  let done = 0;
  try {
    const there = await stat(path).then(
      ({ size }) => size,
      () => 0,
    );
    let response = await ask(url, there, { ...fetching, signal });
    // What is there is not the beginning of the file.
    if (response.status === 416) response = await ask(url, 0, { ...fetching, signal });
    if (!response.ok || response.body === null)
      throw new Error(`the server answers ${response.status} ${response.statusText}`.trim());
    const begin = response.status === 206 ? there : 0;
    if (begin > 0 && !response.headers.get('content-range')?.startsWith(`bytes ${begin}-`))
      throw new Error('the server sends another part than it was asked for');
    const length = Number(response.headers.get('content-length')) || undefined;
    const total = length && begin + length;
    done = begin;
    const counted = async function* (source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      for await (const chunk of source) {
        clearTimeout(timer);
        timer = setTimeout(giveUp, patience);
        done += chunk.length;
        if (done > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`);
        onProgress(done, total);
        yield chunk;
      }
      if (total !== undefined && done !== total) throw new Error(`it ended after ${done} of ${total} bytes`);
    };
    const file = createWriteStream(path, { flags: begin > 0 ? 'a' : 'w', flush: true });
    // After a failure, too, the file is as it stays.
    const closed = new Promise<void>((done) => file.once('close', () => done()));
    await pipeline(Readable.fromWeb(response.body), counted, file).finally(() => closed);
  } catch (error) {
    if (done > maxBytes) await rm(path, { force: true });
    const { cause, code, message } = error as NodeJS.ErrnoException;
    if (code !== undefined && ofDisk.test(code)) throw fileError('write', path, error);
    // `fetch` itself only says "fetch failed": its cause has the reason.
    const reason = cause instanceof Error && (cause.message || (cause as NodeJS.ErrnoException).code);
    throw new Error(reason || message, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** Asks for the file from byte `begin` on, and follows redirects. */
async function ask(url: string, begin: number, { secure, signal }: Fetching): Promise<Response> {
  // Loaded when it is needed: it takes as long as the rest of the command line.
  const { fetch, ProxyAgent } = await import('undici');
  const headers = { 'accept-encoding': 'identity', ...(begin > 0 && { range: `bytes=${begin}-` }) };
  let at = new URL(url);
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    if (secure && at.protocol !== 'https:' && !(at.protocol === 'http:' && at.hostname === '127.0.0.1'))
      throw new Error(`${at.href} is not https`);
    const proxy = proxyFor(at);
    const response = await fetch(at, {
      headers,
      redirect: 'manual',
      ...(signal && { signal }),
      ...(proxy !== undefined && { dispatcher: new ProxyAgent(proxy) }),
    });
    const location = response.headers.get('location');
    if (location === null || response.status < 300 || response.status >= 400) return response;
    await response.body?.cancel();
    at = new URL(location, at);
  }
  throw new Error(`it redirects more than ${mostRedirects} times`);
}

/** The proxy that HTTPS_PROXY or HTTP_PROXY names, unless NO_PROXY names the host. This machine itself needs none. */
function proxyFor({ protocol, hostname }: URL): string | undefined {
  const read = (name: string) => process.env[name] || process.env[name.toUpperCase()];
  const direct = ['127.0.0.1', 'localhost', '[::1]', ...(read('no_proxy') ?? '').split(/[\s,]+/).filter(Boolean)];
  const isDirect = (host: string) => host === '*' || `.${hostname}`.endsWith(host.replace(/^\.?/, '.'));
  return direct.some(isDirect) ? undefined : read(protocol === 'https:' ? 'https_proxy' : 'http_proxy');
}
