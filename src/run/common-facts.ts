import type { Fact } from '../group/facts.js';
import type { NamedTensor } from '../native/addon.js';
import { hashTensors } from '../networks/weights/content-hash.js';
import { flagOf } from '../options/check.js';
import type { ResolvedOptions, RunRecord } from '../options/run-record.js';
import type { Materials } from './materials.js';

/**
 * Options that may differ between the ranks of a group: those of one process, those of rank 0 alone, and paths, of
 * whose content the hashes are compared.
 */
const own = ['device', 'threads', 'report', 'log', 'cache', 'data', 'splitFile', 'targetInit'] as const;
type Common = Exclude<keyof ResolvedOptions, (typeof own)[number]>;

/** What all ranks that compute a run must have in common. */
export function commonFacts(record: RunRecord, { device, init }: Pick<Materials, 'device' | 'init'>): Fact[] {
  const { options, data, sourceWeights } = record;
  const common = (Object.keys(options) as (keyof ResolvedOptions)[]).filter((key): key is Common => !isOwn(key));
  const hash = (what: string, value: string | undefined): Fact => ({ what, value, code: 'INVALID_DATA', hidden: true });
  const option = (what: string, value: unknown): Fact => ({ what, value, code: 'INVALID_OPTION' });
  return [
    option('the verb', record.verb),
    ...common.map((key) => (key === 'sources' ? option('--source', described(options.sources)) : fact(key, options))),
    option('the kind of device', device.device.replace(/:.*/, '')),
    hash('the data', data.fingerprint),
    hash('the division of the data into training, validation and test images', data.split),
    ...sourceWeights.map((value, k) => hash(`the weights of source ${k + 1}`, value)),
    hash('the weights to start from', init && hashTensors(init.weights as NamedTensor[])),
  ];
}

const isOwn = (key: string): boolean => (own as readonly string[]).includes(key);

const fact = (key: Common, options: ResolvedOptions): Fact => ({
  what: flagOf(key),
  value: options[key],
  code: 'INVALID_OPTION',
});

/** The sources without their paths. */
const described = (sources: ResolvedOptions['sources']) =>
  sources.map(({ network, width, size, pairs }) => ({ network, width, size, pairs }));
