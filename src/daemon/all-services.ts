import type { ServiceFactory } from './services.ts';

/** The parts `pgarc daemon` is made of. */
export const ALL_SERVICES: readonly ServiceFactory[] = [];
