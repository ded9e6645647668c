import type { Settings } from '../src/config/settings.ts';

/**
 * Settings that are each in order may still contradict each other.
 * @throws PgarcError `setting-invalid` that names them
 */
export async function checkTogether(settings: Settings): Promise<void> {
  const [{ jobsOf }, { endpointsOf }] = await Promise.all([
    import('../src/schedule/jobs.ts'),
    import('../src/cluster/endpoint.ts'),
  ]);
  endpointsOf(settings);
  jobsOf(settings);
}
