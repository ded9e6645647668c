/**
 * `details.reason` of the error of a standby's backup that waits for what the primary alone can bring about: a new
 * restartpoint, or the end of a segment of WAL. Where nothing is written neither ever comes.
 */
export const NEEDS_PRIMARY = 'needs-primary';
