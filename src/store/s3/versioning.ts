import { GetBucketVersioningCommand } from '@aws-sdk/client-s3';
import { isPgarcError } from '../../errors.ts';
import { request, type S3Session } from './session.ts';

/** Whether the bucket keeps what is deleted. @returns undefined where nobody says */
export async function keepsVersions(session: S3Session, signal?: AbortSignal): Promise<boolean | undefined> {
  const command = new GetBucketVersioningCommand({ Bucket: session.bucket });
  try {
    const { Status } = await request(
      session,
      'GetBucketVersioning',
      (options) => session.client.send(command, options),
      { signal },
    );
    // Suspended: versions made before stay as well, but new deletions free what they delete.
    return Status === 'Enabled';
  } catch (error) {
    // A note of what deleting is good for is not worth failing for.
    if (isPgarcError(error, 'store-unreachable')) return undefined;
    throw error;
  }
}
