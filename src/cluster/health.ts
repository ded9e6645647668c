import { messageOf, type PgarcError } from '../errors.ts';
import type { Emit } from '../report/events.ts';
import { isEtcdReason } from './gateway.ts';

/** A change of etcd's leader takes a second or two and is not worth a line, ms. */
const TOLD_AFTER = 5000;

type Ability = 'answers' | 'writes';

/**
 * Tells once when etcd stops answering or taking writes, once when all is well again, and when it has lost what
 * it held.
 */
export class EtcdHealth {
  readonly #emit: Emit;
  readonly #now: () => number;
  /** Since when each fails. A full etcd still answers. */
  readonly #broken = new Map<Ability, number>();
  #toldAt: number | undefined;
  #isDenied = false;
  #revision = 0n;

  /** @param now ms, by a clock that nobody sets */
  constructor(emit: Emit, now: () => number = () => performance.now()) {
    this.#emit = emit;
    this.#now = now;
  }

  /** etcd's revision, as far as it was seen when a request was sent. */
  get revision(): bigint {
    return this.#revision;
  }

  noteSuccess(isWrite: boolean): void {
    this.#broken.delete('answers');
    if (isWrite) this.#broken.delete('writes');
    if (this.#toldAt === undefined || this.#broken.size > 0) return;
    this.#emit({ type: 'etcdUp', downMs: this.#now() - this.#toldAt });
    this.#toldAt = undefined;
  }

  noteFailure(error: unknown): void {
    if (isEtcdReason(error, 'denied')) this.#tellDenial(error);
    const isFull = isEtcdReason(error, 'full');
    const isSilent = isEtcdReason(error, 'unreachable');
    if (!isFull && !isSilent && !isEtcdReason(error, 'login')) return;
    const ability = isFull ? 'writes' : 'answers';
    const since = this.#broken.get(ability) ?? this.#now();
    this.#broken.set(ability, since);
    if (this.#toldAt !== undefined || (isSilent && this.#now() - since < TOLD_AFTER)) return;
    this.#toldAt = since;
    this.#emit({ type: 'etcdDown', reason: messageOf(error) });
  }

  /** A right that is missing is missing until somebody grants it: no state that comes and goes. */
  #tellDenial({ message, hint }: PgarcError): void {
    if (this.#isDenied) return;
    this.#isDenied = true;
    this.#emit({ type: 'warning', message, ...(hint === undefined ? {} : { hint }) });
  }

  /**
   * Revisions only grow, in what is read and written through the quorum.
   * @param known what `revision` was when the request was sent
   */
  noteRevision(revision: bigint, known: bigint): void {
    if (revision < known) {
      this.#revision = revision;
      this.#emit({ type: 'etcdWiped' });
    } else if (revision > this.#revision) {
      this.#revision = revision;
    }
  }
}
