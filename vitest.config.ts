import { defineConfig } from 'vitest/config';

const minute = 60_000;

/** Tests with real servers: two files at a time suit two cores, and every wait is for a condition. */
const withServers = {
  testTimeout: 4 * minute,
  hookTimeout: 2 * minute,
  maxWorkers: 2,
};

export default defineConfig({
  test: {
    pool: 'forks',
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      { test: { name: 'integration', include: ['test/integration/**/*.test.ts'], ...withServers } },
      { test: { name: 'faults', include: ['test/faults/**/*.test.ts'], ...withServers } },
    ],
  },
});
