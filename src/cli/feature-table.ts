import type { NetworkDescription } from '../native/addon.js';
import { table } from './table.js';

/** A network's feature maps, a row each. */
export function featureTable(features: NetworkDescription['features']): string {
  const rows = features.map(({ index, channels, size, candidate }) => [
    String(index),
    String(channels),
    `${size}×${size}`,
    candidate ? 'yes' : '',
  ]);
  return table(['feature', 'channels', 'size', 'candidate'], rows);
}
