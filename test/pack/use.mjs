import { describeNetwork } from 'l2t-native';

const { name, parameters, features } = describeNetwork({ name: 'vgg9_bn', classes: 10, width: 0.25 });
console.log(`${name} has ${parameters.length} parameters`);
for (const { index, channels, size } of features) console.log(`feature ${index}: ${channels} × ${size} × ${size}`);
