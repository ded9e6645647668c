import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestMinio } from '../../test/support/minio.ts';

/** How many S3 requests MinIO has answered, from its own metrics. Waits until the count stands still. */
export async function countRequests(minio: TestMinio): Promise<number> {
  const ca = minio.caFile === undefined ? undefined : await readFile(minio.caFile);
  const token = signToken(minio);
  let last = -1;
  for (;;) {
    const count = sum(await get(`${minio.endpoint}/minio/v2/metrics/cluster`, token, ca));
    if (count === last) return count;
    last = count;
    // MinIO renders its metrics anew every ten seconds.
    await sleep(11_000);
  }
}

/** What `mc admin prometheus generate` makes: a JSON web token, HS512. */
function signToken({ accessKey, secretKey }: TestMinio): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const text = `${encode({ alg: 'HS512', typ: 'JWT' })}.${encode({ exp, sub: accessKey, iss: 'prometheus' })}`;
  return `${text}.${createHmac('sha512', secretKey).update(text).digest('base64url')}`;
}

function sum(metrics: string): number {
  let total = 0;
  for (const line of metrics.split('\n')) {
    if (/^minio_s3_requests_total\{/.test(line)) total += Number(line.slice(line.lastIndexOf(' ')));
  }
  return total;
}

function get(url: string, token: string, ca: Buffer | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { headers: { authorization: `Bearer ${token}` }, ...(ca === undefined ? {} : { ca }) };
    const outgoing = request(url, options, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      answer.once('end', () => {
        if (answer.statusCode === 200) resolve(text);
        else reject(new Error(`MinIO's metrics: ${answer.statusCode} ${text}`));
      });
    });
    outgoing.once('error', reject);
    outgoing.end();
  });
}
