import type { Schema } from './definition.ts';
import { integer } from './value-types.ts';

/** When a new replica starts from the archive. */
export const REPLICA: Pick<Schema, 'thresholdMegabytes' | 'thresholdPercentage'> = {
  thresholdMegabytes: {
    name: 'threshold-megabytes',
    type: integer(0, 1_000_000_000),
    variables: ['WALE_BACKUP_THRESHOLD_MEGABYTES'],
    fallback: () => 10_240,
    description:
      'a replica starts from the archive while less WAL than this was written since the backup (2^20 bytes)',
  },
  thresholdPercentage: {
    name: 'threshold-percentage',
    type: integer(0, 1_000_000),
    variables: ['WALE_BACKUP_THRESHOLD_PERCENTAGE'],
    fallback: () => 30,
    description: "and less than this part of the backup's uncompressed size",
  },
};
