/** What a WAL record is, by its header alone. Light, for wal-push looks too. */

/** Resource manager of checkpoints, the ends of backups and changes of settings (rmgrlist.h). */
export const RM_XLOG = 0;

/** Its kinds (pg_control.h). */
export const XLOG_CHECKPOINT_SHUTDOWN = 0x00;
export const XLOG_CHECKPOINT_ONLINE = 0x10;
export const XLOG_SWITCH = 0x40;
export const XLOG_BACKUP_END = 0x50;
export const XLOG_PARAMETER_CHANGE = 0x60;
export const XLOG_RESTORE_POINT = 0x70;

/** The bits of xl_info that are the resource manager's own (xlogrecord.h, XLR_RMGR_INFO_MASK). */
const RMGR_INFO = 0xf0;

/** Whether a record is of the resource manager XLOG and of this kind. */
export function isXlogRecord(rmid: number, info: number, kind: number): boolean {
  return rmid === RM_XLOG && (info & RMGR_INFO) === kind;
}
