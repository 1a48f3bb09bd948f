import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readText, writeFileAtomic } from '../../system/files.js';
import { type Content, Html, html } from './html.js';

/** Files that every page contains: the charts' library (uPlot), the page's script and the style. */
const plots = (file: string): string => import.meta.resolve(`uplot/dist/${file}`);
const packageFile = (path: string): string => new URL(`../../../${path}`, import.meta.url).href;
const textsOf = (...urls: readonly string[]): Promise<string[]> =>
  Promise.all(urls.map(async (url) => (await readText(fileURLToPath(url))).trim()));
const readScripts = () => textsOf(plots('uPlot.iife.min.js'), packageFile('dist/report/page/browser.js'));
const readStyles = () => textsOf(plots('uPlot.min.css'), packageFile('src/report/page/style.css'));

/** The state of a page's subject, for the line at the top of the page. */
export interface Status {
  readonly state: 'running' | 'interrupted' | 'failed' | 'finished';
  readonly text: Content;
  /** The part that is done, from 0 to 1. */
  readonly done: number;
  /** The command that makes the page again. */
  readonly again: string;
  /** Seconds after which a page that goes on is usually written again; undefined if that is not known yet. */
  readonly every?: number | undefined;
}

export interface Page {
  readonly title: string;
  readonly status: Status;
  readonly main: Html;
}

const stateMeta = (state: Status['state']): Html => html`<meta name="state" content="${state}">`;

/**
 * Returns the whole document. It needs no network, and its policy allows none: only its own two scripts run, so a name
 * from a person's files could not become one.
 */
export async function document({ title, status, main }: Page): Promise<string> {
  const [scripts, styles] = await Promise.all([readScripts(), readStyles()]);
  const hashes = scripts.map((script) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`);
  const policy = `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src ${hashes.join(' ')}; base-uri 'none'; form-action 'none'`;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
${stateMeta(status.state)}
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${new Html(styles.join('\n'))}</style>
</head>
<body>
<main>
${statusLine(status)}
${main}
</main>
<script>${new Html(scripts[0] as string)}</script>
<script type="module">${new Html(scripts[1] as string)}</script>
</body>
</html>
`;
  return page.text;
}

function statusLine({ state, text, done, again, every }: Status): Html {
  const now = new Date().toISOString();
  const progress =
    state === 'running' &&
    html`<progress value="${done}" aria-label="done"></progress>
<p class="overdue">That is long ago. What was killed cannot say so here: to see whether it goes on, write the page again with <code>${again}</code></p>`;
  const pace = every !== undefined && html` data-every="${every.toPrecision(3)}"`;
  return html`<div class="status ${state}"${pace}><p>${text} Written <time datetime="${now}">${now.slice(0, 19).replace('T', ' ')} UTC</time>.</p>${progress}</div>`;
}

/** Checks whether the file is the page of something that is finished. */
export const isOfFinished = async (file: string): Promise<boolean> =>
  existsSync(file) && (await readText(file)).includes(stateMeta('finished').text);

/** A page that is written again and again, so seldom that this takes at most a hundredth of the time. */
export class GrowingPage {
  #due = 0;
  #warned = false;

  constructor(
    private readonly file: string,
    private readonly onWarning: ((message: string) => void) | undefined,
  ) {}

  /**
   * Writes the page if it is due. A page that cannot be written is a warning, once. `last`: it is written in any case,
   * without a warning, since the work has failed.
   */
  async write(make: () => Page | Promise<Page>, last = false): Promise<void> {
    const began = performance.now();
    if (began < this.#due && !last) return;
    try {
      await writeFileAtomic(this.file, await document(await make()));
    } catch (error) {
      if (!this.#warned && !last) this.onWarning?.(`${this.file} is not up to date: ${(error as Error).message}`);
      this.#warned = true;
    }
    const ended = performance.now();
    this.#due = ended + 99 * (ended - began);
  }
}
