import { expect, it } from 'vitest';
import { openAnsweringStore } from './answering-store.ts';

it.each([
  '<DeleteResult/>',
  '<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>',
  '<DeleteResult></DeleteResult>',
])('removed is what the store names no errors of: %s', async (answer) => {
  let asked = 0;
  const store = await openAnsweringStore(() => {
    asked += 1;
    return answer;
  });
  await store.delete(['a', 'b']);
  expect(asked).toBe(1);
});
