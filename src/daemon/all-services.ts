import { createDecisionService } from '../replica/decision-service.ts';
import { createArchiveService } from './archive-service.ts';
import { createBackupListService } from './backup-list-service.ts';
import { createFetchService } from './fetch-service.ts';
import { createHttpService } from './http-service.ts';
import { createNoticeService } from './notice-service.ts';
import { createPressureService } from './pressure-service.ts';
import { createPushService } from './push-service.ts';
import { createScheduleService } from './schedule-service.ts';
import type { ServiceFactory } from './services.ts';

/** The parts `pgarc daemon` is made of. */
export const ALL_SERVICES: readonly ServiceFactory[] = [
  createPressureService,
  createHttpService,
  createNoticeService,
  createArchiveService,
  createPushService,
  createFetchService,
  createBackupListService,
  createScheduleService,
  createDecisionService,
];
