import { readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import { dirname, join } from 'node:path';
import { atEnd } from './cleanup.ts';
import type { TestMinio } from './minio.ts';
import { freePort } from './ports.ts';
import { makeTemporaryFolder } from './temporary.ts';

/** A service that hands out credentials, as AWS's STS does. */
export interface TestSts {
  readonly endpoint: string;
  /** Environment of a process that takes its credentials from here for a token in a file, as in Kubernetes. */
  readonly env: Record<string, string>;
  /** What was asked: `AssumeRole`, `AssumeRoleWithWebIdentity`. */
  readonly asked: string[];
  /** Answers so from now on; without arguments as it should. A status of 0 is no answer at all. */
  answer(status?: number, body?: string, contentType?: string): void;
}

/** Starts an STS that hands out the credentials of a MinIO to whoever asks, with a certificate of the same CA. */
export async function startSts({ accessKey, secretKey, caFile = '' }: TestMinio): Promise<TestSts> {
  const port = await freePort();
  const endpoint = `https://127.0.0.1:${port}`;
  const asked: string[] = [];
  let other: { status: number; body: string; contentType: string } | undefined;
  const read = (name: string) => readFile(join(dirname(caFile), name));
  const identity = { key: await read('private.key'), cert: await read('public.crt') };
  const server = createServer(identity, async (incoming, outgoing) => {
    const action = new URLSearchParams(await readText(incoming)).get('Action') ?? 'unknown';
    asked.push(action);
    const right = { status: 200, body: formatAnswer(action, accessKey, secretKey), contentType: 'text/xml' };
    const { status, body, contentType } = other ?? right;
    if (status !== 0) outgoing.writeHead(status, { 'content-type': contentType }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  atEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  const token = join(await makeTemporaryFolder('token'), 'token');
  await writeFile(token, 'a-token');
  return {
    endpoint,
    asked,
    env: {
      AWS_ENDPOINT_URL_STS: endpoint,
      AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/backup',
      AWS_WEB_IDENTITY_TOKEN_FILE: token,
      AWS_CONFIG_FILE: '/nonexistent',
      AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
      AWS_EC2_METADATA_DISABLED: 'true',
    },
    answer(status, body = '', contentType = 'text/xml') {
      other = status === undefined ? undefined : { status, body, contentType };
    },
  };
}

/** The answer of STS, to which MinIO's own credentials need no session token. */
export function formatAnswer(action: string, accessKey: string, secretKey: string, token = ''): string {
  const expiration = new Date(Date.now() + 3_600_000).toISOString();
  return `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result><Credentials>
<AccessKeyId>${accessKey}</AccessKeyId><SecretAccessKey>${secretKey}</SecretAccessKey>
${token === '' ? '' : `<SessionToken>${token}</SessionToken>`}<Expiration>${expiration}</Expiration>
</Credentials></${action}Result></${action}Response>`;
}

async function readText(incoming: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of incoming.setEncoding('utf8')) text += chunk;
  return text;
}
