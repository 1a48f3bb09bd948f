import { L2TError } from '../errors.js';
import type { Prediction } from '../inference/network.js';
import { csvLine, printable, printableJson, shown } from '../system/printable.js';
import { largest, percent } from '../system/statistics.js';
import { columnsOf, tableRow } from './table.js';

/** An image's prediction, or the error of reading it. */
export type Outcome = Prediction | L2TError;

/** The facts that are known before the first prediction. */
interface Known {
  readonly files: readonly string[];
  /** The labels that a prediction may have. */
  readonly labels: readonly string[];
  /** The number of labels of each prediction. */
  readonly top: number;
}

/** The text of predictions that are printed as they come. */
interface Format {
  /** Printed before the first row, between rows, and after the last one, also if the command ends early. */
  readonly first: string;
  readonly between?: string;
  readonly last?: string;
  /** Returns '' if the outcome has no row. */
  row(file: string, outcome: Outcome): string;
}

/** Aligned columns; images that cannot be read are left out. */
function tableFormat({ files, labels }: Known): Format {
  const longest = (texts: readonly string[]) => largest(texts.map(columnsOf));
  const widths = [longest(['file', ...files]), longest(['label', ...labels.map((label) => shown(label))]), 7];
  const line = (cells: readonly string[]) => `${tableRow(cells, widths)}\n`;
  return {
    first: line(['file', 'label', '', 'runners-up']),
    row(file, outcome) {
      if (outcome instanceof L2TError) return '';
      const others = outcome.best.slice(1).map((other) => `${shown(other.label)} ${percent(other.probability)}`);
      return line([file, shown(outcome.label), percent(outcome.probability), others.join(', ')]);
    },
  };
}

/** A line an image: its labels, or its error. Names are written as they are, except to a terminal. */
function csvFormat({ top }: Known): Format {
  const safe = process.stdout.isTTY ? printable : (text: string) => text;
  const ranks = Array.from({ length: top }, (_, rank) => rank);
  const others = ranks.slice(1).flatMap((rank) => [`label_${rank + 1}`, `probability_${rank + 1}`]);
  return {
    first: csvLine(['file', 'label', 'index', 'probability', ...others, 'error']),
    row(file, outcome) {
      if (outcome instanceof L2TError) {
        return csvLine([safe(file), ...ranks.flatMap(() => ['', '']), '', safe(outcome.message)]);
      }
      const [, ...rest] = outcome.best;
      const ranked = rest.flatMap(({ label, probability }) => [safe(label), probability]);
      return csvLine([safe(file), safe(outcome.label), outcome.index, outcome.probability, ...ranked, '']);
    },
  };
}

/** One JSON document, a list with an object an image. */
const jsonFormat = (): Format => ({
  first: '[',
  between: ',',
  last: ']\n',
  row(file, outcome) {
    if (!(outcome instanceof L2TError)) return printableJson({ file, ...outcome });
    const { code, message } = outcome;
    return printableJson({ file, error: { code, message } });
  },
});

export const formats = { table: tableFormat, csv: csvFormat, json: jsonFormat } as const;
