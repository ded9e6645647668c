import { expect, it } from 'vitest';
import { createRedactor } from '../../../cli/redact.ts';

it('hides secrets wherever they stand', () => {
  const { add, redact } = createRedactor();
  add(['wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', 'pg', '+a/b']);
  expect(redact('key=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY.')).toBe('key=***.');
  expect(redact('?k=wJalrXUtnFEMI%2FK7MDENG%2BbPxRfiCYEXAMPLEKEY&x')).toBe('?k=***&x');
  expect(redact('x+a/b')).toBe('x***');
});

it('leaves words alone that only contain a short secret', () => {
  const { add, redact } = createRedactor();
  add(['pg']);
  expect(redact('pgarc: password pg, host pg-1')).toBe('pgarc: password ***, host ***-1');
});

it('hides credentials in any URL', () => {
  expect(createRedactor().redact('postgres://me:pw@host/db and https://host:9000/x@y')).toBe(
    'postgres://***@host/db and https://host:9000/x@y',
  );
});
