import type { IncomingMessage } from 'node:http';
import type { RequestOptions } from 'node:https';
import { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { HttpsAgent } from './node-http.ts';

/** Bytes handed to the HTTP parser at a time, at most. */
const BLOCK_BYTES = 128 * 1024;

/** Blocks that are kept before anybody has promised to copy them. */
const MOST_UNPROMISED = 8;

/** Bytes of one read from OpenSSL; a record is 16 KiB at most (RFC 8446, 5.1). */
const READ_BYTES = 64 * 1024;

/**
 * An HTTPS agent whose connections gather what they read. Node gives every TLS record of 16 KiB a buffer of
 * its own and sends it through the parser and the streams alone, which costs several times its decryption.
 * Here records are read into one fixed buffer and copied into blocks, which go on when the event loop has
 * taken in all that arrived.
 */
export class GatheredAgent extends HttpsAgent {
  override createConnection(options: RequestOptions): Duplex {
    let gathered: GatheredSocket | undefined;
    const onread = {
      buffer: Buffer.allocUnsafeSlow(READ_BYTES),
      callback: (bytes: number, buffer: Uint8Array) => gathered!.gather(buffer, bytes),
    };
    const withRead: RequestOptions = Object.assign({}, options, { onread });
    gathered = new GatheredSocket(super.createConnection(withRead) as TLSSocket);
    return gathered;
  }
}

/**
 * Promises that whoever reads this answer copies each chunk while it is told of it, so that the connection may
 * use its blocks again: fresh ones bring the collector in every 64 MiB, which takes longer than the decryption.
 */
export function promiseCopies(answer: IncomingMessage): void {
  const { socket } = answer;
  // Where the length is known, all bytes behind the head are the body's, and what waits can be counted.
  const hasLength = answer.headers['content-length'] !== undefined;
  if (hasLength && socket instanceof GatheredSocket) socket.reuseFor(answer);
}

/** What HTTP sees of a TLS connection. */
class GatheredSocket extends Duplex {
  /** As net.Socket has it, until the TLS handshake is done. */
  connecting = true;
  readonly #socket: TLSSocket;
  #block: Buffer = Buffer.alloc(0);
  /** The bytes of the block that HTTP has not been given yet. */
  #begin = 0;
  #end = 0;
  /** The answer under way, when its chunks are copied. */
  #copied: IncomingMessage | undefined;
  /** Up to here the block holds something of answers that nobody promised to copy. */
  #floor = 0;
  #isAsked = false;
  /** Bytes given to HTTP. */
  #pushed = 0;
  /** Blocks of copied answers, with what was pushed up to their end. */
  readonly #full: { block: Buffer; end: number }[] = [];
  readonly #free: Buffer[] = [];
  #isFlushing = false;

  constructor(socket: TLSSocket) {
    super({ allowHalfOpen: false, readableHighWaterMark: 2 * BLOCK_BYTES });
    this.#socket = socket;
    socket.on('error', (error) => this.destroy(error));
    socket.once('end', () => {
      this.#flush();
      this.push(null);
    });
    socket.once('close', () => {
      // After an end in good order, what is not read yet stays readable.
      if (!socket.readableEnded) this.destroy();
    });
    socket.on('timeout', () => this.emit('timeout'));
    socket.once('secureConnect', () => {
      this.connecting = false;
      this.emit('secureConnect');
    });
  }

  /** See promiseCopies. */
  reuseFor(answer: IncomingMessage): void {
    this.#copied = answer;
  }

  /** Takes what was read. @returns whether more may be read */
  gather(source: Uint8Array, bytes: number): boolean {
    this.#isAsked = false;
    if (this.#end + bytes > this.#block.length) {
      this.#flush();
      if (this.#end + bytes > this.#block.length) this.#changeBlock();
    }
    this.#block.set(source.subarray(0, bytes), this.#end);
    this.#end += bytes;
    if (!this.#isFlushing) {
      this.#isFlushing = true;
      setImmediate(() => {
        this.#isFlushing = false;
        this.#flush();
      });
    }
    return this.readableLength < this.readableHighWaterMark;
  }

  #flush(): void {
    if (this.#end === this.#begin || this.destroyed) return;
    this.#pushed += this.#end - this.#begin;
    this.push(this.#block.subarray(this.#begin, this.#end));
    this.#begin = this.#end;
    if (this.#copied === undefined || this.#copied.complete) return;
    // What is not copied yet waits on either side of the parser, in the order in which it came.
    const copied = this.#pushed - this.readableLength - this.#copied.readableLength;
    while (this.#full[0] !== undefined && this.#full[0].end <= copied) {
      this.#free.push(this.#full.shift()!.block);
    }
    if (copied === this.#pushed) this.#rewind();
  }

  /** The last answer has been read to its end, for its connection is used again. */
  #beginRequest(): void {
    this.#isAsked = true;
    const full = this.#full.splice(0);
    if (this.#copied !== undefined && this.#begin === this.#end) {
      this.#free.push(...full.map(({ block }) => block));
      this.#rewind();
    } else {
      this.#floor = this.#end;
    }
    this.#copied = undefined;
  }

  #rewind(): void {
    this.#begin = this.#floor;
    this.#end = this.#floor;
  }

  #changeBlock(): void {
    // The promise comes when some of the answer is there already. Without one the collector has to find out.
    const mayComeBack = this.#floor === 0 && this.#end > 0;
    if (mayComeBack && (this.#copied !== undefined || this.#full.length < MOST_UNPROMISED))
      this.#full.push({ block: this.#block, end: this.#pushed });
    this.#block = this.#free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
    this.#begin = 0;
    this.#end = 0;
    this.#floor = 0;
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (!this.#isAsked) this.#beginRequest();
    this.#socket.write(chunk, encoding, callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.#socket.destroyed) callback();
    else this.#socket.end(callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#socket.destroy();
    callback(error);
  }

  setTimeout(ms: number, callback?: () => void): this {
    // As net.Socket does: no timeout takes the listener back.
    if (callback !== undefined && ms === 0) this.off('timeout', callback);
    else if (callback !== undefined) this.once('timeout', callback);
    this.#socket.setTimeout(ms);
    return this;
  }

  setKeepAlive(enable: boolean, ms: number): this {
    this.#socket.setKeepAlive(enable, ms);
    return this;
  }

  setNoDelay(enable: boolean): this {
    this.#socket.setNoDelay(enable);
    return this;
  }

  ref(): this {
    this.#socket.ref();
    return this;
  }

  unref(): this {
    this.#socket.unref();
    return this;
  }
}
