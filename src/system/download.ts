import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { pipeline } from 'node:stream/promises';
import { fileError } from './files.js';

/** Milliseconds without any data after which the download fails. */
const patience = 60_000;
const mostRedirects = 5;
/** Codes of errors of the disk, not of the network. */
const ofDisk = /^E(NOSPC|DQUOT|FBIG|ACCES|PERM|ROFS|ISDIR|NOENT|NOTDIR|IO)$/;

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
    const bytesOnDisk = await stat(path).then(
      ({ size }) => size,
      () => 0,
    );
    let response = await ask(url, bytesOnDisk, { ...fetching, signal });
    // The part on disk is not the beginning of the file.
    if (response.statusCode === 416) {
      response.destroy();
      response = await ask(url, 0, { ...fetching, signal });
    }
    const { statusCode = 0, statusMessage = '', headers } = response;
    if (statusCode < 200 || statusCode >= 300) {
      response.destroy();
      throw new Error(`the server answers ${statusCode} ${statusMessage}`.trim());
    }
    const begin = statusCode === 206 ? bytesOnDisk : 0;
    if (begin > 0 && !headers['content-range']?.startsWith(`bytes ${begin}-`)) {
      response.destroy();
      throw new Error('the server sends another part than it was asked for');
    }
    const length = Number(headers['content-length']) || undefined;
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
    const closed = new Promise<void>((resolve) => file.once('close', () => resolve()));
    await pipeline(response, counted, file).finally(() => closed);
  } catch (error) {
    if (done > maxBytes) await rm(path, { force: true });
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== undefined && ofDisk.test(code)) throw fileError('write', path, error);
    const reason = signal.aborted
      ? (signal.reason as Error).message
      : code === 'ECONNRESET'
        ? 'the connection ended'
        : message;
    throw new Error(reason || code, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** Asks for the file from byte `begin` on, and follows redirects. */
async function ask(url: string, begin: number, { secure, signal }: Fetching): Promise<IncomingMessage> {
  const headers = { 'accept-encoding': 'identity', ...(begin > 0 && { range: `bytes=${begin}-` }) };
  let at = new URL(url);
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    if (secure && at.protocol !== 'https:' && !(at.protocol === 'http:' && at.hostname === '127.0.0.1'))
      throw new Error(`${at.href} is not https`);
    const proxy = proxyFor(at);
    const agent = proxy === undefined ? undefined : await tunnel(proxy);
    const get = at.protocol === 'https:' ? https.get : http.get;
    const [response] = (await once(get(at, { headers, signal, agent }), 'response')) as [IncomingMessage];
    const { statusCode = 0 } = response;
    const { location } = response.headers;
    if (location === undefined || statusCode < 300 || statusCode >= 400) return response;
    response.destroy();
    at = new URL(location, at);
  }
  throw new Error(`it redirects more than ${mostRedirects} times`);
}

/** Loaded when it is needed: it takes a part of the time in which the command line starts. */
async function tunnel(proxy: string): Promise<http.Agent> {
  const { HttpsProxyAgent } = await import('https-proxy-agent');
  return new HttpsProxyAgent(proxy);
}

/** The proxy that HTTPS_PROXY or HTTP_PROXY names, unless NO_PROXY names the host. This machine itself needs none. */
function proxyFor({ protocol, hostname }: URL): string | undefined {
  const read = (name: string) => process.env[name] || process.env[name.toUpperCase()];
  const direct = ['127.0.0.1', 'localhost', '[::1]', ...(read('no_proxy') ?? '').split(/[\s,]+/).filter(Boolean)];
  const isDirect = (host: string) => host === '*' || `.${hostname}`.endsWith(host.replace(/^\.?/, '.'));
  return direct.some(isDirect) ? undefined : read(protocol === 'https:' ? 'https_proxy' : 'http_proxy');
}
