import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compare, type EpochMetrics, report, transfer } from '../../../src/index.js';
import { writeClasses } from '../../data/generate.js';
import { mustRun } from '../../python.js';
import { temporaryFolder, tinyOptions, tinySource } from '../../tiny.js';

const executablePath = '/usr/bin/chromium';
const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'];

const folder = temporaryFolder();
const data = join(folder, 'photos');
const run = join(folder, 'run');
const comparison = join(folder, 'comparison');
let browser: Browser;

/** Opens a page. `wrong`: errors in its console, exceptions, requests to anywhere else, dialogs. */
async function opened(address: string, width: number): Promise<{ page: Page; wrong: string[] }> {
  const page = await browser.newPage({ viewport: { width, height: 800 } });
  const wrong: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) wrong.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => wrong.push(`exception: ${error.message}`));
  page.on('dialog', (dialog) => wrong.push(`dialog: ${dialog.message()}`));
  page.on('request', (request) => {
    if (!/^(file|data):/.test(request.url())) wrong.push(`request: ${request.url()}`);
  });
  await page.goto(address);
  await page.waitForSelector('.uplot canvas');
  return { page, wrong };
}

/** Texts that are cut off, or that one has to scroll sideways to; of what is not folded away. */
const hiddenTexts = `[...document.querySelectorAll('main *')].flatMap((each) => {
  const text = [...each.childNodes].find(({ nodeType, data = '' }) => nodeType === 3 && data.trim() !== '');
  if (text === undefined || !each.checkVisibility()) return [];
  const range = document.createRange();
  range.selectNodeContents(each);
  const { left, right } = range.getBoundingClientRect();
  const box = each.closest('.scroll')?.getBoundingClientRect() ?? { left: 0, right: innerWidth };
  return left < box.left - 1 || right > box.right + 1 ? [text.data.trim()] : [];
})`;

const file = (path: string) => pathToFileURL(join(path, 'report.html')).href;

describe.skipIf(!mustRun && !existsSync(executablePath))(
  "reports in a browser (skipped without Debian's chromium)",
  { timeout: 60_000 },
  () => {
    beforeAll(async () => {
      await writeClasses(data, { '<img src=x onerror=alert(1)>': 20, coat: 20 });
      const source = await tinySource({ width: 0.25 });
      const { pairs: _, ...shared } = { ...tinyOptions, data, source };
      await transfer({ ...shared, pairs: '2-0,5-1,8-3,8-4', metaLr: 0.2, epochs: 3, out: run }).result;
      await compare({ ...shared, epochs: 1, seeds: 2, methods: 'scratch,fm:8-3', out: comparison });
      // Runs as short as these may tie.
      const file = join(comparison, 'comparison.json');
      const rows: { label: string }[] = JSON.parse(readFileSync(file, 'utf8'));
      const accuracies = (label: string) => (label === 'scratch' ? [0.5, 0.6] : [0.7, 0.9]);
      writeFileSync(file, JSON.stringify(rows.map((row) => ({ ...row, accuracies: accuracies(row.label) }))));
      // Without its plan, the table is what comparison.json says.
      rmSync(join(comparison, 'plan.yaml'));
      await report(comparison);
      browser = await chromium.launch({ executablePath, args });
    }, 120_000);
    afterAll(() => browser?.close());

    it.each([
      ['a run', run, 400],
      ['a run', run, 1400],
      ['a comparison', comparison, 400],
      ['a comparison', comparison, 1400],
    ])('of %s, %s, %d pixels wide: no errors, no requests, no text that is cut off', async (_, path, width) => {
      const { page, wrong } = await opened(file(path), width);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
      expect(await page.evaluate(hiddenTexts)).toEqual([]);
      // Every figure with curves is drawn.
      expect(await page.locator('.uplot canvas').count()).toBe(await page.locator('figure.curves').count());
      await page.emulateMedia({ colorScheme: 'dark' });
      await page.emulateMedia({ media: 'print' });
      expect(wrong).toEqual([]);
      await page.close();
    });

    it('the slider moves the map of λ, from start to end, by the keyboard', async () => {
      const { page, wrong } = await opened(file(run), 1000);
      const cells = page.locator('figure.where [data-pair]');
      const row = async (epoch: number) =>
        page
          .locator('section:has(figure.where) figure.curves details table')
          .first()
          .locator('tbody tr')
          .nth(epoch - 1)
          .locator('td')
          .allTextContents();
      const texts = async () => (await cells.allTextContents()).map((text) => text.split(' →').map(Number));
      const shown = async () => (await texts()).map(([, end]) => end);
      const starts = async (epoch: number) => {
        const metrics = readFileSync(join(run, 'metrics.jsonl'), 'utf8').split('\n');
        const { pairs }: EpochMetrics = JSON.parse(metrics[epoch - 1] as string);
        const start = (n: number) => Number(pairs.find(({ pair }) => pair[1] === n)?.lambdaStart?.toFixed(2));
        // The map has the rows 2, 5, 8 and the columns 0, 1, 3, 4.
        return [0, 1, 3, 4].map(start);
      };
      const rounded = (texts: readonly string[]) => texts.map((text) => Number(Number(text).toFixed(2)));
      expect(await page.locator('figure.where output').textContent()).toBe('3');
      expect(await shown()).toEqual(rounded(await row(3)));
      expect((await texts()).map(([start]) => start)).toEqual(await starts(3));
      await page.locator('figure.where input').focus();
      await page.keyboard.press('Home');
      expect(await page.locator('figure.where output').textContent()).toBe('1');
      expect(await shown()).toEqual(rounded(await row(1)));
      expect((await texts()).map(([start]) => start)).toEqual(await starts(1));
      expect(await starts(1)).not.toEqual(await starts(3));
      expect(await shown()).not.toEqual(rounded(await row(3)));
      expect(wrong).toEqual([]);
      await page.close();
    });

    it('the baseline of a comparison can be chosen', async () => {
      const { page } = await opened(file(comparison), 1000);
      const sentence = page.locator('[data-choice="baseline"]:visible p').first();
      expect(await sentence.textContent()).toContain('fm:8-3 is 25.0 points ahead of scratch');
      await page.locator('select').selectOption('fm:8-3');
      expect(await sentence.textContent()).toContain('scratch is 25.0 points behind fm:8-3');
      await page.close();
    });

    it('every picture has a name for a screen reader, and its numbers in a table', async () => {
      const { page } = await opened(file(run), 1000);
      const unnamed = await page.locator('svg:not([aria-label]):not([aria-hidden])').count();
      expect(unnamed).toBe(0);
      expect(await page.locator('figure.curves:not(:has(details table tbody tr))').count()).toBe(0);
      await page.close();
    });

    it('a legend has the last values until the pointer is over the curves', async () => {
      const { page } = await opened(file(run), 1000);
      const legend = page.locator('figure.curves:has(figcaption:text-is("Accuracy")) .u-legend');
      expect(await legend.textContent()).toMatch(/^epoch3 training[\d.]+ %$/);
      await page
        .locator('figure.curves .u-over')
        .nth(1)
        .hover({ position: { x: 1, y: 50 } });
      expect(await legend.textContent()).toMatch(/^epoch1 /);
      await page.close();
    });

    it('a page that goes on loads itself again, and keeps its place', async () => {
      const path = join(folder, 'report.html');
      const text = readFileSync(join(run, 'report.html'), 'utf8').replace('status finished', 'status running');
      writeFileSync(path, text);
      const { page, wrong } = await opened(file(folder), 1000);
      await page.locator('summary:has-text("Table: Accuracy")').click();
      await page.locator('figure.where input').focus();
      await page.keyboard.press('Home');
      const top = `(document.querySelector('figure.where').getBoundingClientRect().top)`;
      const before = await page.evaluate(top);
      // New content appears above the text that is being read.
      writeFileSync(path, text.replace('<h1>', `${'<p>New</p>'.repeat(9)}<h1>`));
      await page.waitForSelector('p:text-is("New")', { timeout: 20_000, state: 'attached' });
      await page.waitForSelector('.uplot canvas');
      await page.waitForTimeout(200);
      expect(await page.locator('figure.where output').textContent()).toBe('1');
      expect(await page.locator('details[open] summary').allTextContents()).toEqual(['Table: Accuracy']);
      expect(await page.evaluate(top)).toBeCloseTo(before as number, -1);
      // The chosen epoch has the focus.
      await page.keyboard.press('End');
      expect(await page.locator('figure.where output').textContent()).toBe('3');
      expect(wrong).toEqual([]);
      await page.close();
    });
  },
);
