import type { Schema } from './definition.ts';
import { bareOfWalg, needsPathStyle, waleEndpoint, waleEndpointStyle } from './foreign.ts';
import { choice, endpoint, flag, path, text } from './value-types.ts';

/** Settings of S3 and of what speaks its protocol. */
export const S3: Pick<
  Schema,
  | 's3Endpoint'
  | 's3Region'
  | 's3ForcePathStyle'
  | 's3CaFile'
  | 's3StorageClass'
  | 's3Sse'
  | 's3SseKmsKeyId'
  | 'awsAccessKeyId'
  | 'awsSecretAccessKey'
  | 'awsSessionToken'
> = {
  s3Endpoint: {
    name: 's3-endpoint',
    type: endpoint,
    variables: ['AWS_ENDPOINT', waleEndpoint, 'AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'],
    fallbackText: "Amazon's endpoint of the region",
    description: 'URL of an S3-compatible service, without the bucket',
  },
  s3Region: {
    name: 's3-region',
    type: text,
    variables: ['AWS_REGION', 'AWS_DEFAULT_REGION'],
    fallback: () => 'us-east-1',
    description: 'region of the bucket',
  },
  s3ForcePathStyle: {
    name: 's3-force-path-style',
    type: flag,
    variables: ['AWS_S3_FORCE_PATH_STYLE', waleEndpointStyle],
    fallback: (_, settings) => needsPathStyle(settings.s3Endpoint),
    fallbackText: 'true at an address, localhost or a name without a dot, else false',
    description: 'address the bucket as endpoint/bucket instead of bucket.endpoint',
  },
  s3CaFile: {
    name: 's3-ca-file',
    type: path,
    variables: [
      bareOfWalg('S3_CA_CERT_FILE'),
      'WALG_S3_CA_CERT_FILE',
      'WALE_S3_CA_CERT_FILE',
      'AWS_CA_BUNDLE',
    ],
    description: 'certificate authorities (PEM) to trust instead of the usual ones',
  },
  s3StorageClass: {
    name: 's3-storage-class',
    type: text,
    variables: [bareOfWalg('S3_STORAGE_CLASS'), 'WALG_S3_STORAGE_CLASS', 'WALE_S3_STORAGE_CLASS'],
    fallbackText: "the bucket's",
    description: 'storage class of new objects',
  },
  s3Sse: {
    name: 's3-sse',
    type: choice('AES256', 'aws:kms'),
    variables: [bareOfWalg('S3_SSE'), 'WALG_S3_SSE', 'WALE_S3_SSE'],
    fallbackText: "the bucket's",
    description: 'server-side encryption of new objects',
  },
  s3SseKmsKeyId: {
    name: 's3-sse-kms-key-id',
    type: text,
    variables: [bareOfWalg('S3_SSE_KMS_ID'), 'WALG_S3_SSE_KMS_ID', 'WALE_S3_SSE_KMS_ID'],
    description: 'key of server-side encryption with aws:kms',
  },
  awsAccessKeyId: {
    name: 'aws-access-key-id',
    type: text,
    variables: ['AWS_ACCESS_KEY_ID', 'AWS_ACCESS_KEY'],
    secret: true,
    fallbackText: "AWS's chain: profile, web identity, container and instance roles",
    description: 'access key of the store',
  },
  awsSecretAccessKey: {
    name: 'aws-secret-access-key',
    type: text,
    variables: ['AWS_SECRET_ACCESS_KEY', 'AWS_SECRET_KEY'],
    secret: true,
    fallbackText: 'as aws-access-key-id',
    description: 'secret key of the store',
  },
  awsSessionToken: {
    name: 'aws-session-token',
    type: text,
    variables: ['AWS_SESSION_TOKEN'],
    secret: true,
    description: 'token of temporary credentials',
  },
};
