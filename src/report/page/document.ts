import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { readText } from '../../system/files.js';
import { Html, html } from './html.js';

/** What every page carries in itself: the charts' library (uPlot), the page's script and the style. */
const plots = (file: string): string => import.meta.resolve(`uplot/dist/${file}`);
const own = (path: string): string => new URL(`../../../${path}`, import.meta.url).href;
const scriptFiles = [plots('uPlot.iife.min.js'), own('dist/report/page/browser.js')];
const styleFiles = [plots('uPlot.min.css'), own('src/report/page/style.css')];
const textsOf = (urls: readonly string[]): Promise<string[]> =>
  Promise.all(urls.map(async (url) => (await readText(fileURLToPath(url))).trim()));

export interface Page {
  readonly title: string;
  readonly main: Html;
  /** The address of the events that bring new versions of `main`; absent in a file. */
  readonly events?: string;
}

/**
 * The whole document. It needs no network, and its policy allows none: only its own two scripts run, so a name from a
 * person's files could not become one.
 */
export async function document({ title, main, events }: Page): Promise<string> {
  const [scripts, styles] = await Promise.all([textsOf(scriptFiles), textsOf(styleFiles)]);
  const hashes = scripts.map((script) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`);
  const connect = events === undefined ? '' : "; connect-src 'self'";
  const policy = `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src ${hashes.join(' ')}; base-uri 'none'; form-action 'none'${connect}`;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${new Html(styles.join('\n'))}</style>
</head>
<body${events !== undefined && html` data-events="${events}"`}>
<main>
${main}
</main>
<script>${new Html(scripts[0] as string)}</script>
<script type="module">${new Html(scripts[1] as string)}</script>
</body>
</html>
`;
  return page.text;
}
