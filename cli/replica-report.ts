import { toDocument as toBackupDocument } from '../src/backup/catalog-json.ts';
import { formatLsn } from '../src/postgres/lsn.ts';
import type { ReplicaOptions, ReplicaResult } from '../src/replica/bootstrap-replica.ts';
import type { WalCheck } from '../src/replica/wal-check.ts';

/**
 * The document of `replica-bootstrap --json`. Sizes are bytes, LSNs `X/Y`; null is what is not known.
 * @param options undefined when they could not be read
 */
export function toDocument(
  result: ReplicaResult,
  options: ReplicaOptions | undefined,
  typed: { dryRun: boolean; scope: string | undefined },
): unknown {
  const { decision, facts, list, restored } = result;
  return {
    verdict: result.verdict,
    reason: result.reason,
    exitCode: result.exitCode,
    message: result.message,
    hint: result.hint ?? null,
    dryRun: typed.dryRun,
    scope: typed.scope ?? null,
    datadir: options?.datadir ?? null,
    leader: facts === undefined ? null : describeLeader(facts.leader),
    noLeader: options?.noLeader ?? null,
    backup: decision?.backup === undefined ? null : toBackupDocument(decision.backup),
    backupSize: decision?.backupSize ?? null,
    walSinceBackup: toNumber(decision?.walSinceBackup),
    thresholds: {
      megabytes: options?.thresholds.megabytes ?? null,
      percentage: options?.thresholds.percentage ?? null,
      megabytesLimit: toNumber(decision?.megabytesLimit),
      percentageLimit: toNumber(decision?.percentageLimit),
    },
    wal: decision?.wal === undefined ? null : describeWal(decision.wal),
    unfit: decision?.unfit ?? [],
    list: list === undefined ? null : { source: list.source, readAt: list.readAt.toISOString() },
    restored:
      restored === undefined
        ? null
        : {
            backup: restored.backup.name,
            bytes: restored.bytes,
            storedBytes: restored.storedBytes,
            durationMs: Math.round(restored.durationMs),
            tablespaces: restored.tablespaces,
            warnings: restored.warnings,
          },
  };
}

function describeLeader(leader: NonNullable<ReplicaResult['facts']>['leader']): unknown {
  if (leader.kind !== 'reached') return leader;
  const { kind, address, systemIdentifier, timeline, lsn, inRecovery } = leader;
  return {
    kind,
    address,
    systemIdentifier: systemIdentifier.toString(),
    timeline,
    lsn: formatLsn(lsn),
    inRecovery: inRecovery ?? null,
  };
}

function describeWal(wal: WalCheck): unknown {
  return {
    contiguous: wal.contiguous,
    storedTo: wal.storedTo === undefined ? null : formatLsn(wal.storedTo),
    fromLeader: toNumber(wal.fromLeader),
    missing:
      wal.missing === undefined
        ? null
        : { timeline: wal.missing.timeline, segments: toNumber(wal.missing.last - wal.missing.first + 1n) },
    problem: wal.problem ?? null,
  };
}

function toNumber(value: bigint | undefined): number | null {
  return value === undefined ? null : Number(value);
}
