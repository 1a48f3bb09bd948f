import { vi } from 'vitest';
import { L2TError } from '../../src/errors.js';
import type {
  GroupConfig,
  NativeAddon,
  NativeEvent,
  NativeGroup,
  NativeSpec,
  RunMaterials,
} from '../../src/native/contract.js';

/**
 * Groups of ranks that are all in this process. Their texts are exchanged in memory, and each rank trains on everything
 * by itself, so that the ranks do the same; ranks but 0 get what the contract says that they get.
 */
export function withFakeGroups(real: NativeAddon): NativeAddon {
  const meetings = new Map<number, Meeting>();
  class Group implements NativeGroup {
    readonly #meeting: Meeting;
    constructor(readonly config: GroupConfig) {
      const met = meetings.get(config.port) ?? new Meeting(config.size);
      meetings.set(config.port, met);
      this.#meeting = met;
    }
    async join(): Promise<void> {
      await this.exchange('');
    }
    exchange(text: string): Promise<string[]> {
      return this.#meeting.exchange(this.config.rank, text);
    }
    leave(reason?: string): void {
      this.#meeting.left.push({ rank: this.config.rank, reason });
    }
    joined(): unknown {
      return this;
    }
  }
  class Run {
    readonly run: InstanceType<NativeAddon['Run']>;
    readonly aside: boolean;
    #network: RunMaterials['targetWeights'];
    constructor(spec: NativeSpec, { reducer, ...materials }: RunMaterials, onEvent: (event: NativeEvent) => void) {
      this.aside = reducer instanceof Group && reducer.config.rank > 0;
      this.run = new real.Run({ ...spec, batchNorm: 'global' }, materials, (event) => {
        if (this.aside && event.type !== 'decode') this.#discard(event);
        else onEvent(event);
      });
    }
    #discard(event: NativeEvent): void {
      if (event.type === 'epoch') this.#network = event.network;
      if (event.type !== 'step') this.run.saved();
    }
    async start() {
      const result = await this.run.start();
      return this.aside && this.#network ? { ...result, network: this.#network } : result;
    }
    tryRates = (rates: readonly number[]) => this.run.tryRates(rates);
    stop = () => this.run.stop();
    saved = () => this.run.saved();
    answer = (ticket: number, pixels?: Uint8Array) => this.run.answer(ticket, pixels);
  }
  return Object.assign(Object.create(real), { Group, Run, groups: () => true }) as NativeAddon;
}

class Meeting {
  readonly left: { rank: number; reason: string | undefined }[] = [];
  #texts: (string | undefined)[] = [];
  #waiting: { resolve: (texts: string[]) => void; reject: (error: unknown) => void }[] = [];
  constructor(private readonly size: number) {}

  exchange(rank: number, text: string): Promise<string[]> {
    const gone = this.left.find((other) => other.rank !== rank && other.reason !== undefined);
    if (gone) return Promise.reject(new L2TError('GROUP_FAILED', `Rank ${gone.rank} left: ${gone.reason}`));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#texts[rank] = text;
      if (this.#waiting.length < this.size) return;
      const [texts, waiting] = [this.#texts as string[], this.#waiting];
      [this.#texts, this.#waiting] = [[], []];
      for (const one of waiting) one.resolve(texts);
    });
  }
}

/** Use as the factory of `vi.mock('../../src/native/addon.js', …)`. */
export async function fakeAddonModule(original: () => Promise<{ addon(): NativeAddon }>) {
  const module = await original();
  let fake: NativeAddon | undefined;
  return {
    ...module,
    addon: vi.fn(() => {
      fake ??= withFakeGroups(module.addon());
      return fake;
    }),
  };
}

let next = 20_000;
/** Returns the option `group` of each rank. */
export function placesOf(size: number) {
  const master = `127.0.0.1:${next++}`;
  return Array.from({ length: size }, (_, rank) => ({ rank, size, master }));
}
