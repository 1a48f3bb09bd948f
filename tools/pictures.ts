/**
 * `tsx tools/pictures.ts RUN/report.html`: writes the pictures of the documents (docs/pictures) from a run's report, as
 * Debian's Chromium shows it. docs/tutorial.md says which run it was.
 */
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Locator } from 'playwright-core';
import { packageRoot } from '../setup/files.mjs';

const [report = ''] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
const page = await browser.newPage({ viewport: { width: 800, height: 1000 }, deviceScaleFactor: 1.5 });
await page.goto(pathToFileURL(resolve(report)).href);
await page.waitForSelector('.uplot canvas');

/** A name that ends in .jpg is for photographs. */
const picture = (name: string, part: Locator) => {
  const path = join(packageRoot, 'docs/pictures', name);
  return part.first().screenshot(name.endsWith('.jpg') ? { path, quality: 85 } : { path });
};
const region = (label: string) => page.locator(`.scroll[aria-label="${label}"] > table`);

await picture('where.png', page.locator('figure.where table'));
await picture('saliency.jpg', region('Saliency'));
await picture('training.png', page.locator('section:has(h2:text-is("Training")) .charts > figure'));
await picture('confusion.png', region('Confusion matrix'));
await picture('errors.jpg', page.locator('.gallery'));
await browser.close();
