import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { guarded, requirePath, takeOptions } from '../options/arguments.js';
import type { Written } from '../options/check.js';
import { liveSchema } from '../options/schemas.js';
import { metricsName, type RunData, rateName, readRunData, recordName, stateName } from '../store/run-data.js';
import { invalidOption, invalidRun } from '../system/failures.js';
import { reaching } from '../system/files.js';
import { livePage } from './overlay.js';
import { document } from './page/document.js';

/**
 * While a page is open, the folders are looked at this often, in milliseconds; but after a look that took long, the pause
 * is a hundred times as long, so that looking takes at most a hundredth of a core.
 */
const [every, pauses] = [1000, 100];

/** The port of the page. */
export type LiveOptions = Written<typeof liveSchema>;

/** A page of runs, served on this machine alone. */
export interface Live {
  /** With a random token, without which nothing is served. */
  readonly url: string;
  /** Tells open pages that nothing more comes, and ends the server. */
  close(): Promise<void>;
}

/**
 * Serves a page that shows the runs in `folders` (run folders, or experiments' folders) while they grow, at 127.0.0.1.
 * It reads their files, and changes nothing. It keeps the process alive until `close` is called.
 * @throws L2TError INVALID_OPTION if the port cannot be had; INVALID_RUN if a folder does not exist.
 */
export function live(folders: string | readonly string[], given: LiveOptions = {}): Promise<Live> {
  const { port } = takeOptions(liveSchema, given, {}).options;
  const listed = guarded('The list of folders', () => [folders].flat());
  const paths = listed.map((folder) => requirePath(folder, 'The folder of the runs'));
  return serveLive(paths, port);
}

/** As `live`; `port` 0 is a free one. */
export async function serveLive(folders: readonly string[], port = 0): Promise<Live> {
  const missing = folders.find((folder) => !existsSync(folder));
  if (missing !== undefined) throw invalidRun(`There is no folder ${missing} to show: check the path.`);
  const token = randomBytes(16).toString('hex');
  const viewer = new Viewer(folders);
  const server = createServer((request, response) => {
    const refusal = refusalOf(request, token, (server.address() as AddressInfo).port);
    if (refusal !== undefined) response.writeHead(refusal, { 'Content-Type': 'text/plain' }).end('Refused.\n');
    else if (request.url?.endsWith('/events')) viewer.follow(response);
    else void viewer.page(response);
  });
  await once(server.listen(port, '127.0.0.1'), 'listening').catch(({ code, message }: NodeJS.ErrnoException) => {
    const known: Record<string, string> = { EADDRINUSE: 'another program uses it', EACCES: 'permission is denied' };
    const why = known[code ?? ''] ?? message;
    throw invalidOption(`Port ${port} cannot be used: ${why}. Name another one, or none.`);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${token}/`;
  const close = async () => {
    await viewer.end();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url, close };
}

/**
 * The status with which a request is refused; undefined if it may be served. A page of another site can send requests
 * here, but not with this host's name (a name of its own that it has rebound to 127.0.0.1 stays in `Host`), and not
 * without naming its origin; and it does not know the token.
 */
function refusalOf({ method, url = '', headers }: IncomingMessage, token: string, port: number): number | undefined {
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
  if (!hosts.includes(headers.host ?? '')) return 403;
  if (headers.origin !== undefined && !hosts.some((host) => headers.origin === `http://${host}`)) return 403;
  // What a browser says of itself: only a link may lead here from elsewhere, no frame, picture or script.
  const from = headers['sec-fetch-site'] ?? 'none';
  if (!['none', 'same-origin'].includes(String(from)) && headers['sec-fetch-dest'] !== 'document') return 403;
  if (method !== 'GET') return 405;
  const [, given = ''] = /^\/([^/]*)\/(?:events)?$/.exec(url) ?? [];
  return given.length === token.length && timingSafeEqual(Buffer.from(given), Buffer.from(token)) ? undefined : 404;
}

/** Reads the runs, and sends each change to the pages that are open. */
class Viewer {
  readonly #open = new Set<ServerResponse>();
  /** Open pages that do not read what was sent: they get the newest once they do. */
  readonly #behind = new WeakSet<ServerResponse>();
  readonly #runs = new Map<string, { readonly version: string; readonly run: RunData }>();
  #sent = '';
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(private readonly folders: readonly string[]) {}

  async page(response: ServerResponse): Promise<void> {
    const headers = {
      'Content-Type': 'text/html; charset=utf-8',
      'Cache-Control': 'no-store',
      'X-Frame-Options': 'DENY',
    };
    try {
      const { runs } = await this.#read();
      const page = await document({ ...livePage(runs), events: 'events' });
      response.writeHead(200, headers).end(page);
    } catch (error) {
      response.writeHead(500, { 'Content-Type': 'text/plain; charset=utf-8' }).end(`${(error as Error).message}\n`);
    }
  }

  follow(response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    this.#open.add(response);
    const sendAgain = () => {
      this.#sent = '';
      this.#lookAfter(every);
    };
    response.on('close', () => this.#open.delete(response));
    response.on('drain', () => this.#behind.delete(response) && sendAgain());
    // What changed between the page and this request is sent, too.
    sendAgain();
  }

  async end(): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#timer);
    await this.#look();
    for (const response of this.#open) {
      if (response.writableNeedDrain) response.destroy();
      else response.end('event: end\ndata: \n\n');
    }
  }

  /** Looks after a pause, and again and again as long as a page is open. */
  #lookAfter(pause: number): void {
    if (this.#ended || this.#timer !== undefined) return;
    const look = async () => {
      const began = performance.now();
      await this.#look();
      this.#timer = undefined;
      if (this.#open.size > 0) this.#lookAfter(Math.max(every, pauses * (performance.now() - began)));
    };
    this.#timer = setTimeout(look, pause).unref();
  }

  /** Sends the page, if it is another than was sent, to the pages that are open. */
  async #look(): Promise<void> {
    if (this.#open.size === 0) return;
    try {
      const { version, runs } = await this.#read();
      if (version === this.#sent) return;
      const event = `event: page\ndata: ${JSON.stringify(livePage(runs).main.text)}\n\n`;
      this.#sent = version;
      for (const response of this.#open) {
        if (response.writableNeedDrain) this.#behind.add(response);
        else response.write(event);
      }
    } catch {
      // Files may be damaged, or unreadable for a moment while a folder is moved. The next look may find them, and a run
      // that is shown here must go on.
    }
  }

  /** Runs whose files are as they were are not read again. */
  async #read(): Promise<{ readonly version: string; readonly runs: RunData[] }> {
    const versions: string[] = [];
    const runs: RunData[] = [];
    for (const folder of (await Promise.all(this.folders.map(runsIn))).flat()) {
      const version = `${folder} ${await versionOf(folder)}`;
      const known = this.#runs.get(folder);
      const run = known?.version === version ? known.run : await readRunData(folder);
      this.#runs.set(folder, { version, run });
      versions.push(version);
      runs.push(run);
    }
    return { version: versions.join('\n'), runs };
  }
}

/** The folder itself if it is a run's, else the runs in it. */
async function runsIn(folder: string): Promise<string[]> {
  if (existsSync(join(folder, recordName))) return [folder];
  const names = await reaching(folder, () => readdir(folder));
  return names
    .sort()
    .map((name) => join(folder, name))
    .filter((path) => existsSync(join(path, recordName)));
}

/** Changes whenever the run's options, learning rate, metrics or result do. */
async function versionOf(folder: string): Promise<string> {
  const names = [recordName, rateName, metricsName, stateName];
  const found = await Promise.all(names.map((name) => stat(join(folder, name)).catch(() => undefined)));
  return found.map((file) => file?.mtimeMs ?? 0).join(' ');
}
