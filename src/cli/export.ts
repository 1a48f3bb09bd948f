import type { Command } from 'commander';
import { type ExportOptions, type ExportResult, exportNetwork } from '../networks/export/export.js';
import { required } from '../options/check.js';
import { checkpointForms } from '../options/networks.js';
import { exportSchema } from '../options/schemas.js';
import { counted, printable, printableJson } from '../system/printable.js';
import { addFlags, type Flags, mergedOptions } from './flags.js';
import { interruptible } from './interrupt.js';
import { Progress } from './progress.js';

export function register(command: Command): void {
  command.argument('<checkpoint>', checkpointForms);
  addFlags(command, exportSchema)
    .option('--config <file.yaml>', 'options from a YAML file; flags go over them')
    .option('--json', 'print what was written as one JSON document')
    .action(async (checkpoint: string, flags: Flags) => {
      const options = await mergedOptions(exportSchema, flags);
      required(exportSchema, options, 'to');
      const { warn, note } = new Progress();
      // A signal ends the command only when the file is whole.
      const exporting = { ...(options as ExportOptions), onWarning: warn, onNote: note };
      const result = await interruptible(() => exportNetwork(checkpoint, exporting));
      process.stdout.write(flags.json ? `${printableJson(result)}\n` : format(result));
    });
}

function format({ file, format, bytes, network, classes, width, size }: ExportResult): string {
  const what = `${network}, width ${width}, ${counted(classes, 'class', 'classes')}, images of ${size}×${size}`;
  return `${printable(file)}: ${format}, ${(bytes / 1e6).toFixed(1)} MB (${what})\n`;
}
