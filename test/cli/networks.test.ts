import { describe, expect, it } from 'vitest';
import { type NetworkAlias, type NetworkName, networkNames, networks } from '../../src/index.js';
import { cli } from '../tiny.js';

describe('networks', () => {
  it('counts a multiplication and an addition as two', () => {
    const gmacs = (name: NetworkName | NetworkAlias) => networks({ network: name }).map(({ flops }) => flops / 2e9);
    // torchvision's pages say 4.09 GMAC of a ResNet-50, and 0.3 of a MobileNetV2.
    expect(gmacs('resnet50')).toEqual([expect.closeTo(4.09, 2)]);
    expect(gmacs('mobilenetv2_100')).toEqual([expect.closeTo(0.3, 2)]);
  });

  it('lists all of them, or those that take images of a size', () => {
    expect(networks().map(({ name }) => name)).toEqual(networkNames);
    const small = networks({ size: 16 });
    expect(small.map(({ name }) => name)).not.toContain('vgg9_bn');
    expect(small.every(({ size }) => size === 16)).toBe(true);
  });

  it('in words and as JSON, from the command line', { timeout: 60_000 }, async () => {
    const all = await cli(['networks']);
    expect(all.stdout).toMatch(/^resnet50 +224×224 +25\.56 M +8\.18 +1: 256@56×56, /m);
    const one = await cli(['networks', 'mobilenetv2_100', '--size', '64']);
    expect(one.stdout).toMatch(/^mobilenet_v2 \(timm: mobilenetv2_100\): .* an image of 64×64/);
    expect(one.stdout).toMatch(/^4 +1280 +2×2 +yes/m);
    const json = await cli(['networks', 'mobilenet_v2', '--size', '64', '--json']);
    expect(JSON.parse(json.stdout)).toEqual(
      JSON.parse(JSON.stringify(networks({ network: 'mobilenet_v2', size: 64 }))),
    );
    const few = await cli(['networks', '--size', '16']);
    expect(few.stdout).toMatch(/^Left out, because the images are too small for them: vgg9_bn/m);
    const wrong = await cli(['networks', 'resnet5']);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringMatching(/The network is 'resnet5'.*resnet50/)]);
    const tagged = await cli(['networks', 'resnet50.a1_in1k']);
    expect(tagged.stderr).toMatch(/Did you mean 'resnet50'\?/);
    const smaller = await cli(['networks', 'vgg9_bn', '--size', '16']);
    expect([smaller.code, smaller.stderr]).toEqual([2, expect.stringMatching(/too small for vgg9_bn/)]);
  });
});
