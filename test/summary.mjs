// Prints `N passed, N failed, N skipped` of a report that vitest's JSON reporter wrote, and exits with 0 only
// when something passed, nothing failed and the run itself ended with 0.
// Usage: node summary.mjs REPORT EXIT_CODE_OF_THE_RUN. Any Node will do: it also reports that there is no other.
import { readFileSync } from 'node:fs';

const [report, exitCode] = process.argv.slice(2);
const count = { passed: 0, failed: 0, skipped: 0 };

for (const file of readReport(report)) {
  const tests = file.assertionResults ?? [];
  for (const test of tests) {
    if (test.status === 'passed') count.passed += 1;
    else if (test.status === 'failed') count.failed += 1;
    else count.skipped += 1;
  }
  // A file that cannot be loaded, or whose hooks fail, has no failed test of its own.
  if (file.status === 'failed' && !tests.some((test) => test.status === 'failed')) count.failed += 1;
}
// Lint, types, installation or a crash.
if (exitCode !== '0' && count.failed === 0) count.failed = 1;

process.stdout.write(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`);
process.exitCode = count.failed === 0 && count.passed > 0 ? 0 : 1;

function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).testResults ?? [];
  } catch {
    return [];
  }
}
