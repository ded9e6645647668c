import { messageOf } from '../errors.ts';
import type { Emit } from '../report/events.ts';
import { isEtcdReason } from './gateway.ts';

/** Tells once when etcd stops answering or taking writes, and once when all is well again. */
export class EtcdHealth {
  readonly #emit: Emit;
  /** Reading and writing fail on their own: a full etcd still answers. */
  readonly #broken = new Set<'answers' | 'writes'>();
  #downSince = 0;

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  noteSuccess(isWrite: boolean): void {
    if (this.#broken.size === 0) return;
    this.#broken.delete('answers');
    if (isWrite) this.#broken.delete('writes');
    if (this.#broken.size > 0) return;
    this.#emit({ type: 'etcdUp', downMs: performance.now() - this.#downSince });
  }

  noteFailure(error: unknown): void {
    const isFull = isEtcdReason(error, 'full');
    if (!isFull && !isEtcdReason(error, 'unreachable') && !isEtcdReason(error, 'login')) return;
    const wasWell = this.#broken.size === 0;
    this.#broken.add(isFull ? 'writes' : 'answers');
    if (!wasWell) return;
    this.#downSince = performance.now();
    this.#emit({ type: 'etcdDown', reason: messageOf(error) });
  }
}
