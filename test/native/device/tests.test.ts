import { testProgram } from '../program.js';

testProgram('l2t_device_tests');
