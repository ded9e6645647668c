import type { Courier } from './courier.ts';
import { judgeTrouble, judgeWell } from './judge.ts';
import type { NoticeMemory } from './memory.ts';
import { fingerprintOf, type News, type NoticeOrigin, type Subject, writeNotice } from './notice.ts';

export interface DeskOptions {
  webhook: string;
  courier: Pick<Courier, 'bring'>;
  /** What was told before; changed in place. */
  memory: NoticeMemory;
  /** The memory has changed. */
  onChange(): void;
  origin(): NoticeOrigin;
  /** ms since 1970. */
  now?: () => number;
}

/**
 * Hears of trouble and of its end, and has each told to the webhook once. Only what has arrived there counts as
 * told, also over a restart.
 */
export class NoticeDesk {
  readonly #options: Required<DeskOptions>;
  /** What was handed to the courier last for each subject and is not there yet. */
  readonly #underWay = new Map<Subject, string>();

  constructor(options: DeskOptions) {
    this.#options = { now: Date.now, ...options };
  }

  /** Trouble of a subject; the same may be noted any number of times. */
  noteTrouble(news: News): void {
    const { memory, now } = this.#options;
    const fingerprint = fingerprintOf(news);
    const time = now();
    const { known, tell } = judgeTrouble(memory.get(news.subject), fingerprint, time);
    this.#remember(news.subject, known);
    if (!tell) return;
    this.#bring(news, fingerprint, time, () => {
      const current = memory.get(news.subject);
      if (current === undefined) return;
      const toldAt = current.fingerprint === fingerprint ? time : current.toldAt;
      this.#remember(news.subject, { ...current, toldAt, owesRecovery: true });
    });
  }

  /** All is well with a subject; may be noted any number of times. */
  noteWell({ subject, ...rest }: Omit<News, 'kind' | 'hint'>): void {
    const { memory, now } = this.#options;
    const { known, tell } = judgeWell(memory.get(subject));
    if (!tell) return;
    this.#remember(subject, known);
    const isDue = () => memory.get(subject)?.isOver === true;
    const forget = () => {
      if (isDue()) this.#remember(subject, undefined);
    };
    if (known?.owesRecovery !== true && !this.#underWay.has(subject)) {
      forget();
      return;
    }
    const news: News = { subject, kind: 'recovered', ...rest };
    this.#bring(news, 'recovered', now(), forget, () => {
      if (!isDue()) return false;
      // The trouble itself never arrived: then its end is no news.
      if (memory.get(subject)?.owesRecovery === true) return true;
      forget();
      return false;
    });
  }

  #bring(news: News, key: string, time: number, onArrival: () => void, isDue = () => true): void {
    const { courier, webhook, memory, origin } = this.#options;
    if (this.#underWay.get(news.subject) === key) return;
    this.#underWay.set(news.subject, key);
    const since = memory.get(news.subject)?.since;
    const document = writeNotice(news, origin(), new Date(time), since);
    courier.bring(
      () => (isDue() ? { url: new URL(webhook), document } : undefined),
      (arrived) => {
        if (this.#underWay.get(news.subject) === key) this.#underWay.delete(news.subject);
        if (arrived) onArrival();
      },
    );
  }

  #remember(subject: Subject, known: ReturnType<NoticeMemory['get']>): void {
    const { memory, onChange } = this.#options;
    if (memory.get(subject) === known) return;
    if (known === undefined) memory.delete(subject);
    else memory.set(subject, known);
    onChange();
  }
}
