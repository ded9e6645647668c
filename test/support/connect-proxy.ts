import { createServer, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { atEnd } from './cleanup.ts';
import { freePort } from './ports.ts';

/** A proxy as companies have them at the border of their network. */
export interface ConnectProxy {
  /** `127.0.0.1:port` */
  readonly address: string;
  /** What it was asked for: `CONNECT host:port` or `PUT http://host/key`, with the user's name and password. */
  readonly asked: string[];
  /** Connections of clients that are open. */
  readonly open: ReadonlySet<Socket>;
  /** Answers all with this status from now on, and keeps the connection; 0 is no answer at all. */
  refuse(status: number): void;
}

/** Starts a proxy that leads to one server, whatever name it is asked for. */
export async function startConnectProxy(target: string): Promise<ConnectProxy> {
  const port = await freePort();
  const { hostname: targetHost, port: targetPort } = new URL(target);
  const asked: string[] = [];
  const open = new Set<Socket>();
  let refusal: number | undefined;
  const note = (what: string, header = '') => {
    const user = Buffer.from(header.replace(/^Basic /, ''), 'base64').toString();
    asked.push(user === '' ? what : `${what} ${user}`);
  };
  const server = createServer((incoming, outgoing) => {
    note(`${incoming.method} ${incoming.url}`, incoming.headers['proxy-authorization']);
    if (refusal !== undefined) {
      incoming.resume();
      outgoing.writeHead(refusal).end('<html>refused</html>');
      return;
    }
    const { pathname, search } = new URL(incoming.url!);
    const { 'proxy-authorization': _, ...headers } = incoming.headers;
    const onward = request(
      { host: targetHost, port: targetPort, method: incoming.method, path: pathname + search, headers },
      (answer) => answer.pipe(outgoing.writeHead(answer.statusCode!, answer.headers)),
    );
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket)).on('error', () => undefined);
  });
  server.on('connect', (incoming, client: Socket) => {
    note(`CONNECT ${incoming.url}`, incoming.headers['proxy-authorization']);
    if (refusal !== undefined) client.resume().once('end', () => client.end());
    if (refusal === 0) return;
    if (refusal !== undefined) {
      client.write(`HTTP/1.1 ${refusal} Refused\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    const onward = connect(Number(targetPort), targetHost, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.pipe(client).pipe(onward);
    });
    onward.on('error', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  atEnd(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return {
    address: `127.0.0.1:${port}`,
    asked,
    open,
    refuse(status) {
      refusal = status;
    },
  };
}
