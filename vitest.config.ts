import { defineConfig } from 'vitest/config';

const minute = 60_000;

/** Tests with real servers: two files at a time suit two cores, and every wait is for a condition. */
function withServers(name: string, groupOrder: number) {
  return {
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      testTimeout: 5 * minute,
      hookTimeout: 2 * minute,
      maxWorkers: 2,
      sequence: { groupOrder },
    },
  };
}

export default defineConfig({
  test: {
    pool: 'forks',
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      withServers('integration', 1),
      withServers('faults', 2),
    ],
  },
});
