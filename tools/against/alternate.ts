import { type Seconds, secondsOf } from '../../src/bench/bench.js';
import type { Settings, Turn } from './measure.js';
import type { State } from './state.js';

/** What a state of the program took: of its turns, the least minimum and the median of the medians. */
export interface StateTimes {
  readonly state: string;
  readonly seconds: Seconds;
  readonly turns: readonly Seconds[];
}

/** `ratio`: the other state's time ÷ this one's. */
export interface Alternated {
  readonly other: StateTimes;
  readonly current: StateTimes;
  readonly ratio: Seconds;
}

/** Lets two states take turns. Who begins a round changes, so that a machine that drifts affects both alike. */
export async function alternate(
  [other, current]: readonly [State, State],
  turn: Turn,
  {
    rounds,
    onTurn,
    ...settings
  }: Settings & {
    readonly rounds: number;
    readonly onTurn?: (round: number, state: State, seconds: Seconds) => void;
  },
): Promise<Alternated> {
  const turns = new Map<State, Seconds[]>([
    [other, []],
    [current, []],
  ]);
  for (let round = 1; round <= rounds; round++) {
    for (const state of round % 2 === 1 ? [other, current] : [current, other]) {
      const seconds = await turn(state, settings);
      turns.get(state)?.push(seconds);
      onTurn?.(round, state, seconds);
    }
  }
  const [before, now] = [timesOf(other, turns.get(other)), timesOf(current, turns.get(current))];
  const ratio = { min: before.seconds.min / now.seconds.min, median: before.seconds.median / now.seconds.median };
  return { other: before, current: now, ratio };
}

function timesOf({ title }: State, turns: readonly Seconds[] = []): StateTimes {
  const { min } = secondsOf(turns.map((turn) => turn.min));
  const { median } = secondsOf(turns.map((turn) => turn.median));
  return { state: title, seconds: { min, median }, turns };
}
