import type { Command } from 'commander';
import { type EvaluateOptions, type EvaluationResult, evaluate } from '../inference/evaluate.js';
import { formatTop } from '../inference/logits.js';
import { checkpointForms } from '../options/networks.js';
import { evaluateSchema } from '../options/schemas.js';
import { printableJson, shown } from '../system/printable.js';
import { largest, percent } from '../system/statistics.js';
import { addFlags, type Flags, mergedOptions } from './flags.js';
import { beforeJoining, groupFlags, groupOf, reports } from './group-flags.js';
import { withProgress } from './progress.js';
import { table } from './table.js';
import { leftOut } from './training-verb.js';

export function register(command: Command): void {
  command.argument('<checkpoint>', `${checkpointForms}, or an ONNX file`);
  addFlags(command, evaluateSchema.extend(groupFlags))
    .option('--config <file.yaml>', 'options from a YAML file; flags go over them')
    .option('--json', 'print the result as one JSON document')
    .action(async (checkpoint: string, flags: Flags) => {
      const group = groupOf(flags);
      const options = await beforeJoining(group, () => mergedOptions(evaluateSchema, flags));
      const result = await withProgress(({ listeners }, signal) =>
        evaluate(checkpoint, { ...(options as EvaluateOptions), ...listeners, signal, group }),
      );
      if (reports(group)) process.stdout.write(flags.json ? `${printableJson(result)}\n` : format(result));
    });
}

function format({ correct, total, accuracy, topK, loss, classes, confusion, skipped }: EvaluationResult): string {
  const rows = classes.flatMap(({ name, correct: right, total: all, accuracy: share }, k) => {
    if (share === null) return [];
    const mistakes = (confusion[k] as readonly number[]).with(k, 0);
    const most = largest(mistakes);
    const other = mistakes.indexOf(most);
    const taken = most > 0 ? `${shown(classes[other]?.name ?? String(other))} (${most})` : '';
    return [[shown(name), `${right} of ${all}`, percent(share), taken]];
  });
  const lines = table(['class', 'right', '', 'most taken for'], rows);
  return `${lines}\naccuracy ${(100 * accuracy).toFixed(2)} % (${correct} of ${total}${leftOut({ skipped })})${topK ? `, ${formatTop(topK)}` : ''}, mean loss ${loss.toFixed(4)} nats\n`;
}
