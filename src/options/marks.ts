/**
 * The role of an option in a run that has begun. `result`: it changes what is learned, so a resume must repeat it.
 * `input`: a path, whose content's hash is recorded and must be equal. `place`: where a rank computes; a resume may
 * change it. `output`: what is kept or shown; a resume keeps its own. `call`: not recorded.
 */
export type Scope = 'result' | 'input' | 'place' | 'output' | 'call';

/** The headings of the help, in its order. */
export const helpGroups = ['Data', 'Source', 'Method', 'Training', 'Where it runs', 'Output'] as const;

/** Properties of an option besides its values and its meaning. */
export interface Marks {
  /** The default, or the function of the other options that gives it. */
  readonly default?: number | string | boolean | ((spec: RowSpec) => unknown);
  /** Returns the value when a run begins, from the given options and the facts of data and machine (spec.ts). */
  readonly found?: (spec: RowSpec, facts: RowFacts) => unknown;
  readonly paper?: number | string;
  /** What help says of the flag --no-… of a switch that is on by default. */
  readonly off?: string;
  /** Absent: `result`. */
  readonly scope?: Scope;
  /** The heading under which the help lists it. */
  readonly group?: (typeof helpGroups)[number];
  /** True: a long help begins with it. */
  readonly first?: true;
  /** Values of a path option that are no paths. */
  readonly words?: readonly string[];
  /** True: it must be given. */
  readonly needed?: true;
  /** True: its value may be left out (`true` in YAML and TypeScript). */
  readonly bare?: true;
  /** The field of each source that it fills (spec.ts). */
  readonly fills?: 'path' | 'network' | 'width' | 'size' | 'maps' | 'tokens' | 'normalisation' | 'pairs' | 'licence';
  /** Returns why its value does not fit the others, as the end of a message; undefined if it fits. */
  readonly refuses?: (spec: RowSpec) => string | undefined;
  /** Returns whether a method with these needs reads it. Absent: every method does. */
  readonly of?: (needs: Needs) => boolean;
}

/** The options that a row's functions may read. */
export interface RowSpec {
  readonly target: string;
  readonly method: string;
  readonly size: number;
  readonly batch?: number | undefined;
  readonly threads?: number | undefined;
  readonly lr: number | 'auto';
  readonly minLr: number;
  readonly sourceFinetune?: number | undefined;
  readonly shareSource?: boolean | undefined;
  readonly perClass?: number | undefined;
  readonly unlabelled?: readonly string[] | undefined;
}

/** Facts that a default may depend on besides options. */
export interface RowFacts {
  /** Number of training images. */
  readonly images: number;
  readonly device: string;
  readonly threads: number;
}

/** Inputs of a method besides the data: a source, pairs of features, settings. */
export interface Needs {
  readonly source: boolean;
  readonly pairs: boolean;
  /** True if it starts from --target-init. */
  readonly start: boolean;
  /** The weights that its meta-networks give; empty if it trains none. */
  readonly learns: readonly ('what' | 'where')[];
  /** The names of its settings (methods.ts). */
  readonly settings: readonly string[];
}
