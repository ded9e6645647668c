/** The same trouble is told again after so long, ms. */
const REMINDER = 24 * 3_600_000;

/** Trouble that was there when somebody looked last. Times are ms since 1970. */
export interface KnownTrouble {
  fingerprint: string;
  since: number;
  /** When this very trouble reached the webhook; null when it has not. */
  toldAt: number | null;
  /** Something of it has reached the webhook, so that its end shall too. */
  owesRecovery: boolean;
  /** It is over, and the webhook has yet to hear that. */
  isOver: boolean;
}

export interface Verdict {
  known: KnownTrouble | undefined;
  tell: boolean;
}

/**
 * Decides whether trouble is told: when it is new, differs from what was told, or a day has passed.
 * @param now ms since 1970
 */
export function judgeTrouble(known: KnownTrouble | undefined, fingerprint: string, now: number): Verdict {
  if (known === undefined || known.isOver || known.fingerprint !== fingerprint) {
    const since = known === undefined || known.isOver ? now : known.since;
    const owesRecovery = known?.owesRecovery ?? false;
    return { known: { fingerprint, since, toldAt: null, owesRecovery, isOver: false }, tell: true };
  }
  // A clock that was set back must not silence it for longer than a day either.
  return { known, tell: known.toldAt === null || Math.abs(now - known.toldAt) >= REMINDER };
}

/** Decides whether it is told that all is well: once after trouble, and again until it has arrived. */
export function judgeWell(known: KnownTrouble | undefined): Verdict {
  if (known === undefined) return { known, tell: false };
  return { known: { ...known, isOver: true }, tell: true };
}
