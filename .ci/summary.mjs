// Prints failures, then vitest's counts from its JSON report, last line of .ci/run: "N passed, N failed, N skipped".
// Arguments: the report, and the code that vitest ended with.
import { readFileSync } from 'node:fs';

const text = readFileSync(process.argv[2], 'utf8');
if (text === '') {
  console.log('0 passed, 1 failed, 0 skipped (the tests did not run)');
  process.exitCode = 1;
} else {
  const report = JSON.parse(text);
  // A file that cannot be loaded has no tests to count.
  const broken = report.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.every(({ status }) => status !== 'failed'),
  ).length;
  // For example a test process that is gone, or an error that nothing caught: the report has neither.
  const outside = report.numFailedTests + broken === 0 && process.argv[3] !== '0' ? 1 : 0;
  if (outside) console.log('FAIL outside of the tests: see "Unhandled Errors" in the words of vitest');
  const failed = report.numFailedTests + broken + outside;
  for (const file of report.testResults) {
    if (file.status === 'failed' && file.message) console.log(`FAIL ${file.name}\n${file.message}`);
    for (const { status, fullName, failureMessages } of file.assertionResults) {
      if (status === 'failed') console.log(`FAIL ${file.name}: ${fullName}\n${failureMessages.join('\n')}`);
    }
  }
  const skipped = report.numPendingTests + report.numTodoTests;
  console.log(`Test Files  ${report.testResults.length}`);
  console.log(`     Tests  ${report.numTotalTests}`);
  console.log(`${report.numPassedTests} passed, ${failed} failed, ${skipped} skipped`);
  if (failed > 0) process.exitCode = 1;
}
