import { beforeAll } from 'vitest';
import { openStore } from '../../src/store/open.ts';
import { startMinio, type TestMinio } from '../support/minio.ts';
import { describeStoreContract } from '../unit/store/contract.ts';
import { storeSettings } from '../unit/store/settings.ts';

let count = 0;

for (const tls of [false, true]) {
  let minio: TestMinio;
  beforeAll(async () => {
    minio = await startMinio({ tls });
  });
  describeStoreContract(
    tls ? 'MinIO over https' : 'MinIO over http',
    () =>
      openStore(
        storeSettings({
          store: `s3://${minio.bucket}/contract/${count++}`,
          s3Endpoint: minio.endpoint,
          s3CaFile: minio.caFile,
          awsAccessKeyId: minio.accessKey,
          awsSecretAccessKey: minio.secretKey,
        }),
        (event) => {
          if (event.type !== 'storeRequest') throw new Error(`unexpected event ${JSON.stringify(event)}`);
        },
      ),
    1000,
  );
}
