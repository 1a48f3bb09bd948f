import { testProgram } from './program.js';

testProgram('l2t_tests');
