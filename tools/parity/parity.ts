import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type BenchDevice, benchDevice } from '../../src/bench/cases.js';
import { L2TError } from '../../src/errors.js';
import {
  addon,
  type ConvolutionName,
  type EngineName,
  type GroupConfig,
  type PrecisionName,
} from '../../src/native/addon.js';
import { readSafetensors } from '../../src/networks/weights/safetensors.js';
import { fileError } from '../../src/system/files.js';
import { defaultThreads } from '../../src/system/threads.js';
import { methodOf, readCase } from './case.js';
import { compare, largestMedian, median, type Verdict } from './compare.js';
import { caseJob } from './inputs.js';
import { iterate } from './observe.js';

export interface ParityOptions {
  readonly dtype: 'float32' | 'float64';
  readonly engine: EngineName;
  /** 'cpu' unless given. */
  readonly device?: string;
  /** 'float32' unless given; another only on a GPU. */
  readonly precision?: PrecisionName;
  /** 'auto' unless given. */
  readonly convolution?: ConvolutionName;
  /** The processes that share each batch; all of them call `parity` on the same folder. */
  readonly group?: GroupConfig | undefined;
  /** The sources' feature maps are given, as those of an ONNX file. */
  readonly elsewhere?: boolean;
  readonly onCase?: (name: string, index: number, count: number) => void;
}

export type CaseResult = { readonly name: string } & (
  | { readonly outcome: 'passed' | 'failed'; readonly verdict: Verdict }
  | { readonly outcome: 'failed'; readonly error: string }
  | { readonly outcome: 'unsupported'; readonly method: string }
);

export interface ParityReport {
  readonly device: BenchDevice;
  readonly dtype: ParityOptions['dtype'];
  readonly cases: readonly CaseResult[];
  /** float32 only: median of error ÷ bound; absent if no case has a ratio. */
  readonly medians?: { readonly grad?: number; readonly rest?: number };
}

/**
 * Runs every case of a folder of fixtures (NAME.json and NAME.safetensors) through the addon and compares every
 * quantity.
 * @throws L2TError FILE_ACCESS, or INVALID_DATA if there is no case. An error within a case fails only that case.
 */
export async function parity(folder: string, options: ParityOptions): Promise<ParityReport> {
  const entries = await readdir(folder).catch((error: unknown) => {
    throw fileError('read', folder, error);
  });
  const names = entries.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length));
  if (names.length === 0) throw new L2TError('INVALID_DATA', `${folder} holds no case: no file ends in .json.`);
  const device = benchDevice(options.device ?? 'cpu');
  const cases: CaseResult[] = [];
  for (const [index, name] of names.sort().entries()) {
    options.onCase?.(name, index, names.length);
    cases.push(await runCase(folder, name, options, device.device));
  }
  const { dtype } = options;
  return { device, dtype, ...(dtype === 'float64' ? { cases } : judgeTogether(cases)) };
}

async function runCase(folder: string, name: string, options: ParityOptions, device: string): Promise<CaseResult> {
  try {
    const description = await readCase(join(folder, `${name}.json`));
    const method = methodOf(description);
    if (method === undefined) return { name, outcome: 'unsupported', method: description.method };
    const { tensors: expected } = await readSafetensors(join(folder, `${name}.safetensors`));
    const native = addon();
    const { dtype, engine, convolution = 'auto', precision, group, elsewhere } = options;
    const winograd = engine === 'native' && native.backend(device, convolution, 1) === 'cpu';
    const settings = {
      dtype,
      engine,
      convolution,
      precision,
      device,
      threads: Math.ceil(defaultThreads() / (group?.size ?? 1)),
    };
    const outputs = await iterate({
      ...caseJob(native, description, method, settings),
      group,
      ...(elsewhere && { elsewhere }),
    });
    const verdict = compare(description, expected, outputs, dtype, winograd ? 'winograd' : 'direct');
    return { name, outcome: verdict.passed ? 'passed' : 'failed', verdict };
  } catch (error) {
    if (error instanceof L2TError && (error.code === 'ADDON_NOT_BUILT' || error.code === 'LIBTORCH_NOT_FOUND'))
      throw error;
    return { name, outcome: 'failed', error: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * float32: what is computed after a step is judged by the median over all cases. If it is above `largestMedian`, the
 * cases with a ratio above `largestMedian` fail.
 */
function judgeTogether(cases: readonly CaseResult[]): Pick<ParityReport, 'cases' | 'medians'> {
  const ratio = (result: CaseResult, kind: 'grad' | 'rest') =>
    'verdict' in result ? result.verdict.ratios?.[kind] : undefined;
  const medianOf = (kind: 'grad' | 'rest') =>
    median(cases.map((result) => ratio(result, kind)).filter((value) => value !== undefined));
  const medians = { grad: medianOf('grad'), rest: medianOf('rest') };
  const judged = cases.map((result): CaseResult => {
    if (!('verdict' in result)) return result;
    const failures = (['grad', 'rest'] as const)
      .filter((kind) => (medians[kind] ?? 0) > largestMedian && (ratio(result, kind) ?? 0) > largestMedian)
      .map((kind) => `${kind} is ${ratio(result, kind)?.toFixed(1)} times what rounding alone does`);
    if (failures.length === 0) return result;
    const verdict = { ...result.verdict, passed: false, failures: [...result.verdict.failures, ...failures] };
    return { name: result.name, outcome: 'failed', verdict };
  });
  return { cases: judged, medians };
}
