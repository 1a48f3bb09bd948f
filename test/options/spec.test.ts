import { describe, expect, it } from 'vitest';
import { methodNames, needsOf } from '../../src/options/methods.js';
import { begin, differences, type Facts, read, recordedRows } from '../../src/options/spec.js';
import { formatRecord, newRecord, parseRecord } from '../../src/store/record.js';

const facts: Facts = {
  device: 'cpu',
  threads: 3,
  images: 40,
  sources: [{ network: 'resnet32', width: 0.5, size: 32 }],
};

/** Options of a run of the method, without those that have a default. */
function givenFor(method: (typeof methodNames)[number]) {
  const { source, start } = needsOf(method);
  const files = { ...(source && { source: 'a.pth' }), ...(start && { targetInit: 'b.pth' }) };
  return { target: 'vgg9_bn', data: 'photos', method, ...files } as const;
}
const specOf = (method: (typeof methodNames)[number], more: object = {}) => {
  const draft = read({ ...givenFor(method), ...more });
  return begin(draft, { ...facts, sources: draft.sources.length > 0 ? facts.sources : [] });
};

const hash = 'a'.repeat(64);
const recorded = (spec: ReturnType<typeof specOf>) => {
  const found = { classNames: ['a', 'b'], data: hash, split: hash, sources: spec.sources.map(() => hash) };
  return newRecord({ verb: 'transfer', ranks: 1, spec, found });
};

describe('the spec of a run', () => {
  it.each(methodNames)('of %s is what options.yaml gives back, whole and frozen', (method) => {
    const spec = specOf(method);
    expect(parseRecord(formatRecord(recorded(spec)), 'options.yaml').spec).toEqual(spec);
    expect(Object.isFrozen(spec) && Object.isFrozen(spec.sources)).toBe(true);
  });

  it('has every default, and what was found', () => {
    const spec = specOf('l2t-ww');
    expect(spec).toMatchObject({ epochs: 200, lr: 'auto', size: 32, width: 1, batch: 32, threads: 3, device: 'cpu' });
    expect(spec.sources).toEqual([{ ...facts.sources[0], path: `${process.cwd()}/a.pth`, pairs: 'all-to-all' }]);
    expect(spec.data).toBe(`${process.cwd()}/photos`);
  });

  it('has no value of a row that its method does not read', () => {
    expect(specOf('scratch')).not.toHaveProperty('metaBatch');
    expect(specOf('scratch')).not.toHaveProperty('beta');
    expect(specOf('l2-sp')).not.toHaveProperty('weightDecay');
    expect(specOf('lwf').sources[0]).not.toHaveProperty('pairs');
  });

  it('of which an entry is missing is refused by name', () => {
    const text = formatRecord(recorded(specOf('l2t-ww'))).replace(/ {2}metaLr: .*\n/, '');
    expect(() => parseRecord(text, 'options.yaml')).toThrow(/options\.yaml is damaged: spec\.metaLr: it is missing/);
  });

  it('refuses a rate for the end of the cosine that is above its beginning', () => {
    expect(() => specOf('scratch', { lr: 0.01, minLr: 0.1 })).toThrow(/minLr: 0\.1 is above lr: 0\.01/);
    expect(specOf('scratch', { minLr: 0.1 }).minLr).toBe(0.1);
  });
});

describe('a resume', () => {
  const values: Readonly<Record<string, unknown>> = { lr: 0.5, augment: 'none', layout: 'folder', classes: 'a,b' };
  /** Another value of a row than the run's. */
  function other(name: string, value: unknown, allowed: string): unknown {
    if (name in values) return values[name];
    if (typeof value === 'boolean') return !value;
    if (typeof value === 'number') return value + 1;
    const [, names] = /^one of (.*)$/.exec(allowed) ?? [];
    return names?.split(', ').find((each) => each !== value) ?? (value === undefined ? 1 : `${value}x`);
  }
  const spec = specOf('l2t-ww');

  it.each(recordedRows.filter(({ name }) => name !== 'method').map(({ name, about }) => [name, about] as const))(
    'must repeat %s where it changes the result, and only then',
    (name, { scope = 'result', allowed }) => {
      const wanted = { ...read(givenFor('l2t-ww')), [name]: other(name, spec[name as keyof typeof spec], allowed) };
      const differs = differences(spec, wanted);
      expect(differs).toEqual(scope === 'result' || scope === 'input' ? [name] : []);
      expect(differences(spec, wanted, { ignorePaths: true })).toEqual(scope === 'result' ? [name] : []);
    },
  );

  it('may leave out what a source says of itself, but not say otherwise', () => {
    const wanted = (more: object) => read({ ...givenFor('l2t-ww'), ...more });
    expect(differences(spec, wanted({ sourceWidth: 0.5 }))).toEqual([]);
    expect(differences(spec, wanted({ sourceWidth: 0.25 }))).toEqual(['sourceWidth']);
    expect(differences(spec, wanted({ pairs: 'single' }))).toEqual(['pairs']);
    expect(differences(spec, wanted({ source: ['a.pth', 'c.pth'] }))).toEqual(['source']);
    expect(differences(spec, wanted({ batch: 32 }))).toEqual([]);
  });
});
