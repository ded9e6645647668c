import { defineConfig } from 'vitest/config';

const minute = 60_000;

/** Tests with real servers: they wait half of their time, so three files at a time keep two cores busy. */
function withServers(name: string, groupOrder: number, maxWorkers = 3) {
  return {
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      testTimeout: 5 * minute,
      hookTimeout: 5 * minute,
      maxWorkers,
      sequence: { groupOrder },
    },
  };
}

export default defineConfig({
  test: {
    pool: 'forks',
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          // Milliseconds each; on a loaded machine what they start may take long.
          testTimeout: 2 * minute,
          hookTimeout: 2 * minute,
        },
      },
      withServers('integration', 1),
      withServers('faults', 2),
      // They wait for Patroni's intervals, mostly; each file has a network and ports of its own.
      withServers('cluster', 3),
    ],
  },
});
