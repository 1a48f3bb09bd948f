/** The types that people get of the installed package. `check-types.mjs` compiles this file; nothing runs it. */
import {
  type CompareOptions,
  compare,
  describeNetwork,
  evaluate,
  type FoundRate,
  type PretrainOptions,
  pretrain,
  type TransferOptions,
  transfer,
} from 'l2t-native';

/** `true` if two types are the same, else `false`. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

export const methods: Same<
  TransferOptions['method'],
  | 'l2t-ww'
  | 'l2t-w'
  | 'amounts-only'
  | 'fm'
  | 'at'
  | 'lwf'
  | 'lwf+at'
  | 'kd'
  | 'kd+fm'
  | 'kd+l2t-ww'
  | 'sp'
  | 'vid'
  | 'l2-sp'
  | 'finetune'
  | 'scratch'
  | undefined
> = true;
export const rates: Same<TransferOptions['lr'], number | 'auto' | undefined> = true;
export const logs: Same<TransferOptions['log'], string | readonly ('csv' | 'tensorboard')[] | undefined> = true;
export const engines: Same<PretrainOptions['engine'], 'native' | 'autograd' | undefined> = true;
export const sources: Same<TransferOptions['source'], string | readonly string[] | undefined> = true;
export const warmUp: Same<FoundRate['warmUp'], number> = true;
export const epochs: Same<CompareOptions['epochs'], number | undefined> = true;

const given = { target: 'vgg9_bn', data: 'photos' } as const;

export async function compiles(): Promise<string> {
  const run = transfer({ ...given, method: 'scratch', lr: 'auto', log: ['csv'], epochs: 3, perClass: undefined });
  for await (const event of run) if (event.type === 'epoch') return `${event.epoch}: ${event.losses.org}`;
  const { accuracy } = await evaluate('best.safetensors', { data: 'photos' });
  const { rows } = await compare({ ...given, source: ['a.pth', 'b.pth'], methods: ['scratch', 'l2t-ww'] });
  const { result } = pretrain({ network: 'resnet20', data: 'photos', lr: 0.1 });
  return `${accuracy ?? 0} ${rows[0]?.method} ${(await result).checkpoint}`;
}

export function doesNotCompile(): void {
  // @ts-expect-error: `target` is required.
  transfer({ data: 'photos' });
  // @ts-expect-error: `data` is required.
  transfer({ target: 'vgg9_bn' });
  // @ts-expect-error: `network` is required.
  pretrain({ data: 'photos' });
  // @ts-expect-error: there is no such method.
  transfer({ ...given, method: 'l2t' });
  // @ts-expect-error: `lr` is a number or 'auto'.
  transfer({ ...given, lr: '0.1' });
  // @ts-expect-error: there is no such log.
  transfer({ ...given, log: ['json'] });
  // @ts-expect-error: there is no such option.
  transfer({ ...given, epoch: 3 });
  // @ts-expect-error: a name is a string.
  const name: number = describeNetwork({ name: '', classes: 1, width: 1 }).name;
  // @ts-expect-error: the first feature may be absent.
  const { channels } = describeNetwork({ name: '', classes: 1, width: 1 }).features[0];
  void [name, channels];
}
