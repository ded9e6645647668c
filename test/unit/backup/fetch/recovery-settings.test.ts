import { describe, expect, it } from 'vitest';
import {
  applyRecoverySettings,
  formatRestoreCommand,
  quoteSetting,
} from '../../../../src/backup/fetch/recovery-settings.ts';

describe('applyRecoverySettings', () => {
  const settings = {
    restoreCommand: '/opt/pgarc wal-fetch %f "%p"',
    target: { recovery_target_time: '2026-11-21T12:00:00Z', recovery_target_timeline: 'latest' },
    action: 'pause',
    isStandby: false,
  };

  it('keeps what is there and clears the other targets before it sets the one that counts', () => {
    expect(applyRecoverySettings("# Do not edit\nwork_mem = '8MB'\n", settings)).toBe(
      `# Do not edit
work_mem = '8MB'
# Recovery settings of pgarc backup-fetch
restore_command = '/opt/pgarc wal-fetch %f "%p"'
recovery_target = ''
recovery_target_name = ''
recovery_target_xid = ''
recovery_target_lsn = ''
recovery_target_time = '2026-11-21T12:00:00Z'
recovery_target_timeline = 'latest'
recovery_target_inclusive = 'on'
recovery_target_action = 'pause'
hot_standby = 'on'
recovery_min_apply_delay = '0'
recovery_end_command = ''
archive_cleanup_command = ''
`,
    );
  });

  it('leaves a standby what postgresql.conf holds for one, and takes back what a recovery was told', () => {
    const standby = { ...settings, target: {}, action: undefined, isStandby: true };
    const names = /hot_standby|recovery_min_apply_delay|recovery_end_command|archive_cleanup_command/;
    expect(applyRecoverySettings('', standby)).not.toMatch(names);
    const recovered = applyRecoverySettings("work_mem = '8MB'\n", { ...settings, action: 'promote' });
    expect(recovered).toMatch(names);
    expect(applyRecoverySettings(recovered, standby)).not.toMatch(names);
    const delayed = "recovery_min_apply_delay = '1h'\n";
    expect(applyRecoverySettings(delayed, standby)).toContain(delayed);
  });

  it('replaces the settings of an earlier restore', () => {
    const once = applyRecoverySettings('', { ...settings, target: { recovery_target: 'immediate' } });
    const old = `${once}RECOVERY_TARGET_INCLUSIVE off\n`;
    const twice = applyRecoverySettings(old, { ...settings, action: undefined });
    expect(twice.match(/^recovery_target = .*/gm)).toEqual(["recovery_target = ''"]);
    expect(twice.match(/^restore_command/gm)).toHaveLength(1);
    expect(twice).not.toMatch(/inclusive|action/i);
    expect(twice.match(/^recovery_min_apply_delay/gm)).toHaveLength(1);
    expect(twice.match(/^#/gm)).toHaveLength(1);
  });
});

describe('quoteSetting', () => {
  it('doubles quotes and backslashes', () => {
    expect(quoteSetting("it's a\\b")).toBe("'it''s a\\\\b'");
  });
});

describe('formatRestoreCommand', () => {
  it('protects words from the shell and percent signs from PostgreSQL', () => {
    expect(formatRestoreCommand(["/opt/my pgarc/it's/pgarc"], ['--store=s3://b/100%', '--config=/e t'])).toBe(
      `'/opt/my pgarc/it'\\''s/pgarc' wal-fetch --store=s3://b/100%% '--config=/e t' %f "%p"`,
    );
  });
});
