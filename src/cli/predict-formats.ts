import { L2TError } from '../errors.js';
import type { Prediction } from '../inference/network.js';
import { csvLine } from '../system/csv.js';
import { printable, printableJson, shown } from '../system/printable.js';
import { percent } from '../system/statistics.js';
import { columnsOf, tableRow } from './table.js';

/** An image's prediction, or why it could not be read. */
export type Outcome = Prediction | L2TError;

/** What is known before the first prediction. */
interface Known {
  readonly files: readonly string[];
  /** The labels that a prediction may have. */
  readonly labels: readonly string[];
  /** The number of labels of each prediction. */
  readonly top: number;
}

/** The text of predictions that are printed as they come. */
export interface Format {
  row(file: string, outcome: Outcome): string;
  /** Printed after the last row, and where the command ends early. */
  end(): string;
}

/** `first` before the first text that is not empty. */
function headed(first: string): (text: string) => string {
  let head = first;
  return (text) => {
    if (text === '') return '';
    const all = head + text;
    head = '';
    return all;
  };
}

/** Aligned columns; images that cannot be read are left out. */
function tableFormat({ files, labels }: Known): Format {
  const longest = (texts: readonly string[]) => texts.reduce((most, text) => Math.max(most, columnsOf(text)), 0);
  const widths = [longest(['file', ...files]), longest(['label', ...labels.map((label) => shown(label))]), 7];
  const line = (cells: readonly string[]) => `${tableRow(cells, widths)}\n`;
  const withHead = headed(line(['file', 'label', '', 'runners-up']));
  return {
    row(file, outcome) {
      if (outcome instanceof L2TError) return '';
      const others = outcome.best.slice(1).map((other) => `${shown(other.label)} ${percent(other.probability)}`);
      return withHead(line([file, shown(outcome.label), percent(outcome.probability), others.join(', ')]));
    },
    end: () => '',
  };
}

/** A line an image: its labels, or its error. Names are written as they are, except to a terminal. */
function csvFormat({ top }: Known): Format {
  const safe = process.stdout.isTTY ? printable : (text: string) => text;
  const ranks = Array.from({ length: top }, (_, rank) => rank);
  const others = ranks.slice(1).flatMap((rank) => [`label_${rank + 1}`, `probability_${rank + 1}`]);
  const withHead = headed(csvLine(['file', 'label', 'index', 'probability', ...others, 'error']));
  return {
    row(file, outcome) {
      if (outcome instanceof L2TError) {
        return withHead(csvLine([safe(file), ...ranks.flatMap(() => ['', '']), '', safe(outcome.message)]));
      }
      const [, ...rest] = outcome.best;
      const ranked = rest.flatMap(({ label, probability }) => [safe(label), probability]);
      return withHead(csvLine([safe(file), safe(outcome.label), outcome.index, outcome.probability, ...ranked, '']));
    },
    end: () => '',
  };
}

/** One JSON document, a list with an object an image. */
function jsonFormat(): Format {
  let separator = '[';
  return {
    row(file, outcome) {
      const before = separator;
      separator = ',';
      const { code, message } = outcome as L2TError;
      const said = outcome instanceof L2TError ? { file, error: { code, message } } : { file, ...outcome };
      return `${before}${printableJson(said)}`;
    },
    end: () => (separator === '[' ? '' : ']\n'),
  };
}

export const formats = { table: tableFormat, csv: csvFormat, json: jsonFormat } as const;
