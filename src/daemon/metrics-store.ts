import type { Handlers, Meters } from './metrics-meters.ts';

/** What is asked of the store, and how it answers. */
export function createStoreMetrics({ counter, level, seconds }: Meters): Handlers {
  const requests = counter('pgarc_store_requests_total', 'Requests to the store', 'method', 'status');
  const retries = counter('pgarc_store_retries_total', 'Operations on the store that were tried again');
  const bytes = counter(
    'pgarc_store_bytes_total',
    'Bytes of the bodies of requests and answers',
    'direction',
  );
  const lastAnswer = level('pgarc_store_last_answer_timestamp_seconds', 'When the store answered last');
  return {
    storeRetry: () => retries.inc(),
    storeRequest({ method, status, sentBytes, receivedBytes }) {
      requests.inc({ method, status: String(status ?? 'none') });
      bytes.inc({ direction: 'sent' }, sentBytes);
      bytes.inc({ direction: 'received' }, receivedBytes);
      if (status !== undefined && status < 500) lastAnswer(seconds());
    },
  };
}
