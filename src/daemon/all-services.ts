import { createFetchService } from './fetch-service.ts';
import { createPressureService } from './pressure-service.ts';
import { createPushService } from './push-service.ts';
import type { ServiceFactory } from './services.ts';

/** The parts `pgarc daemon` is made of. */
export const ALL_SERVICES: readonly ServiceFactory[] = [
  createPressureService,
  createPushService,
  createFetchService,
];
