import type { BenchResult } from '../../src/bench/bench.js';
import { type BenchDevice, deviceTitle } from '../../src/bench/cases.js';

export const stepNames = ['build', 'parity', 'graph', 'bench', 'train', 'sanitize'] as const;
export type StepName = (typeof stepNames)[number];

/** A step's measurements and problems. */
export interface Findings {
  /** Empty if the step passed. */
  readonly problems: readonly string[];
  /** One line for the table. */
  readonly summary: string;
  /** Everything that was measured. */
  readonly figures?: unknown;
}

export interface StepResult extends Findings {
  readonly seconds: number;
  /** When it ended, ISO 8601. */
  readonly ended: string;
}

/** The machine of the steps, and its software's versions. */
export interface Machine extends BenchDevice {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  readonly libtorch: string;
  /** The releases of CUDA (the addon's, LibTorch's), of cuDNN and of the driver; '' where there is none. */
  readonly compiledFor: string;
  readonly runtime: string;
  readonly cudnn: string;
  readonly driver: string;
}

export interface Results {
  /** Absent where not even the addon could be loaded. */
  readonly machine?: Machine;
  readonly steps: Readonly<Partial<Record<StepName, StepResult>>>;
}

const placeOf = ({ device, gpu, cpu, libtorch }: Machine): string => [device, gpu?.name, cpu, libtorch].join('; ');

/**
 * Adds later results to earlier ones; a step that ran again replaces its earlier result. Results of another card,
 * processor or LibTorch are dropped, since figures of two machines must not stand in one table.
 */
export function merge(earlier: Results, later: Results): Results {
  const machine = later.machine ?? earlier.machine;
  const moved = earlier.machine && later.machine && placeOf(earlier.machine) !== placeOf(later.machine);
  const steps = moved ? later.steps : { ...earlier.steps, ...later.steps };
  return { ...(machine && { machine }), steps };
}

/** The results as Markdown: the machine, a line a step, and the cases of the bench. */
export function markdown({ machine, steps }: Results): string {
  const rows = stepNames.flatMap((name) => {
    const step = steps[name];
    if (step === undefined) return [];
    const verdict = step.problems.length === 0 ? 'passed' : `off: ${step.problems.join('; ')}`;
    return [`| ${name} | ${cell(verdict)} | ${cell(step.summary)} | ${step.seconds.toFixed(0)} |`];
  });
  const cases = (steps.bench?.figures ?? []) as readonly BenchResult[];
  return `${[
    machine ? machineLine(machine) : 'The addon could not be loaded.',
    '',
    '| step | result | what was seen | s |',
    '|---|---|---|---|',
    ...rows,
    ...(cases.length > 0 ? ['', ...benchTable(cases)] : []),
  ].join('\n')}\n`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll(/\s*\n\s*/g, ' ');

function machineLine(machine: Machine): string {
  const { cpu, cores, node, libtorch, compiledFor, runtime, cudnn, driver } = machine;
  const cuda = machine.gpu ? `, CUDA ${runtime} (compiled with ${compiledFor}), cuDNN ${cudnn}, driver ${driver}` : '';
  return `${deviceTitle(machine)}; ${cores} cores of ${cpu}; LibTorch ${libtorch}${cuda}; Node ${node}`;
}

function benchTable(cases: readonly BenchResult[]): string[] {
  const head = ['case', 'batch', 'engine', 'ms', 'ms without graph', 'images/s', 'launches', 'MiB', 'share of peak'];
  const rows = cases.flatMap((result) =>
    result.cases.map((timing) => [
      result.case,
      String(result.batch),
      timing.engine,
      (1000 * timing.seconds.min).toFixed(2),
      timing.eagerSeconds ? (1000 * timing.eagerSeconds.min).toFixed(2) : '',
      timing.imagesPerSecond.toFixed(1),
      timing.launches ? String(timing.launches) : '',
      ((timing.gpuMemory?.allocated ?? timing.iterationBytes) / 2 ** 20).toFixed(0),
      timing.peakShare === undefined ? '' : `${(100 * timing.peakShare).toFixed(1)} %`,
    ]),
  );
  const ratios = cases.map(({ case: name, ratio }) => `${name} ${ratio?.toFixed(2) ?? '?'}`).join(', ');
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return [...lines, '', `autograd / native: ${ratios}`];
}
