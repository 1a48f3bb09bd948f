/**
 * What an option is to a run that has begun. `result`: it changes what is learned, so a resume must repeat it. `input`: a
 * path, whose content's hash is recorded and must be equal. `place`: where a rank computes; a resume may change it.
 * `output`: what is kept or shown; a resume keeps its own. `call`: of the call alone, not recorded.
 */
export type Scope = 'result' | 'input' | 'place' | 'output' | 'call';

/** The headings of the help, in its order. */
export const helpGroups = ['Data', 'Source', 'Method', 'Training', 'Where it runs', 'Output'] as const;

/** What a row says of its option besides its values and its meaning. */
export interface Marks {
  /** The value where none is given, or the function of the other options that gives it. */
  readonly default?: number | string | boolean | ((spec: RowSpec) => unknown);
  /** The value of a run that begins, of what is given and what was found: the data, the machine (spec.ts). */
  readonly found?: (spec: RowSpec, facts: RowFacts) => unknown;
  readonly paper?: number | string;
  /** Absent: `result`. */
  readonly scope?: Scope;
  /** The heading of the help under which it stands. */
  readonly group?: (typeof helpGroups)[number];
  /** People need it first: a long help begins with it. */
  readonly first?: true;
  /** Values of a path's row that are no path. */
  readonly words?: readonly string[];
  /** It must be given. */
  readonly needed?: true;
  /** Its value may be left out; `true` in YAML and TypeScript. */
  readonly bare?: true;
  /** The field of each source that it fills (spec.ts). */
  readonly fills?: 'path' | 'network' | 'width' | 'size' | 'maps' | 'tokens' | 'normalisation' | 'pairs' | 'licence';
  /** Why its value does not fit the others, to follow the option in a message; undefined where it fits. */
  readonly refuses?: (spec: RowSpec) => string | undefined;
  /** Does a method with these needs read it? Absent: each does. */
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

/** What a default may depend on besides options. */
export interface RowFacts {
  /** Number of training images. */
  readonly images: number;
  readonly device: string;
  readonly threads: number;
}

/** What a method uses besides the data: a source, pairs of features, settings. */
export interface Needs {
  readonly source: boolean;
  readonly pairs: boolean;
  /** --target-init. */
  readonly start: boolean;
  /** What its meta-networks give: none of a method that trains none. */
  readonly learns: readonly ('what' | 'where')[];
  /** The names of its settings (methods.ts). */
  readonly settings: readonly string[];
}
