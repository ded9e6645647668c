import { expect, it } from 'vitest';
import type { Member } from '../../../src/cluster/members.ts';
import { chooseNode } from '../../../src/schedule/choose-node.ts';
import { describeMember } from '../../../src/schedule/election.ts';

const AT = '2026-11-21T12:00:00.000Z';
const MiB = 2 ** 20;

/** `a:primary`, `b:replica:12` (MiB behind), `c:replica:?`, with `!` in front when it is not healthy. */
function read(text: string): Member[] {
  return text.split(' ').map((word) => {
    const [name = '', role, lag] = word.replace('!', '').split(':');
    return {
      node: name,
      role: role as Member['role'],
      lagBytes: role === 'primary' || lag === '?' ? null : Number(lag) * MiB,
      lsn: '0/1',
      healthy: !word.startsWith('!'),
      reason: null,
      at: AT,
    };
  });
}

it.each([
  ['replica', 'a:primary', undefined, 'a', true],
  ['replica', 'a:primary b:replica:0', undefined, 'b', true],
  ['replica', 'a:primary b:replica:64', undefined, 'b', true],
  ['replica', 'a:primary b:replica:65', undefined, 'a', true],
  ['replica', 'a:primary b:replica:?', undefined, 'a', true],
  ['replica', 'a:primary !b:replica:0', undefined, 'a', true],
  ['replica', 'a:primary !b:replica:0 c:replica:1', undefined, 'c', true],
  ['replica', 'a:primary b:replica:1 c:replica:0', undefined, 'b', true],
  // Who leads stays while he is fit, and goes when he is not.
  ['replica', 'a:primary b:replica:1 c:replica:0', 'c', 'c', true],
  ['replica', 'a:primary b:replica:1 c:replica:99', 'c', 'b', true],
  ['replica', 'a:primary b:replica:1', 'a', 'b', true],
  ['replica', 'a:primary b:replica:99', 'a', 'a', true],
  ['replica', 'a:primary b:replica:1', 'gone', 'b', true],
  // Nobody is fit: somebody leads, so that a failure is told.
  ['replica', '!a:primary b:replica:?', undefined, 'b', false],
  ['replica', '!a:primary b:replica:?', 'a', 'b', false],
  ['replica', '!a:primary !b:replica:?', 'b', 'b', false],
  ['replica', '!a:primary', undefined, 'a', false],
  // Right after a failover both say that they are the primary.
  ['replica', '!a:primary b:primary', 'a', 'b', true],
  ['primary', 'a:primary b:replica:0', undefined, 'a', true],
  ['primary', 'a:primary b:replica:0', 'b', 'a', true],
  ['primary', '!a:primary b:replica:0', 'a', 'b', false],
  ['any', 'a:replica:0 b:primary', undefined, 'a', true],
  ['any', 'a:replica:0 b:primary', 'b', 'b', true],
  ['any', 'a:replica:99 b:primary', 'a', 'b', true],
] as const)('from %s of %s, led by %s: %s', (backupFrom, members, leader, node, isFit) => {
  const options = { backupFrom, maxLag: 64 * MiB, leader };
  expect(chooseNode(read(members), options)).toEqual({ node, isFit });
  expect(chooseNode(read(members).reverse(), options)).toEqual({ node, isFit });
});

it('has no choice without members', () => {
  expect(chooseNode([], { backupFrom: 'any', maxLag: 0 })).toEqual({ node: undefined, isFit: false });
});

it.each([
  ['replica', 0x100n, '0/180', 0x80],
  // It has replayed what the primary wrote after it told of itself.
  ['replica', 0x200n, '0/180', 0],
  ['replica', 0x100n, '1/0', 2 ** 32 - 0x100],
  ['replica', 0x100n, null, null],
  ['replica', undefined, '0/180', null],
  ['primary', 0x200n, '0/180', null],
] as const)('a %s at %s, the primary at %s, is %s bytes behind', (role, lsn, written, lagBytes) => {
  const primary = { ...read('a:primary')[0]!, lsn: written };
  const member = describeMember('b', { role, lsn, reason: undefined }, [primary], new Date(AT));
  expect(member).toMatchObject({ node: 'b', role, lagBytes, healthy: true, reason: null });
});

it('does not measure by a primary that is down', () => {
  const [down] = read('!a:primary');
  const state = { role: 'replica', lsn: 1n, reason: undefined } as const;
  expect(describeMember('b', state, [down!], new Date(AT)).lagBytes).toBeNull();
  const reason = 'cannot connect';
  const none = { role: 'replica', lsn: undefined, reason } as const;
  expect(describeMember('b', none, [], new Date(AT))).toMatchObject({ healthy: false, reason, lsn: null });
});
