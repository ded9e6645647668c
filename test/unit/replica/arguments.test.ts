import { describe, expect, it } from 'vitest';
import { judgeUnknown, readRetries, readSwitch } from '../../../src/replica/arguments.ts';

describe('judgeUnknown', () => {
  it.each<[string[], string[]]>([
    [[], []],
    [['--some_key=1'], ['some_key']],
    [
      ['--some_key', '--other_thing', 'value'],
      ['some_key', 'other_thing'],
    ],
    [['--some_key', 'value'], ['some_key']],
  ])('%j are keys of Patroni', (words, expected) => {
    expect(judgeUnknown(words)).toEqual(expected);
  });

  it.each<[string, string]>([
    ['--threshold_megabyte=10', '--threshold_megabytes'],
    ['--treshold_megabytes=10', '--threshold_megabytes'],
    ['--no_leeder=1', '--no_leader'],
    ['--constring=x', '--connstring'],
    ['--data_dir=x', '--datadir'],
  ])('%s is a mistyped option', (word, meant) => {
    expect(() => judgeUnknown([word])).toThrow(
      expect.objectContaining({ code: 'usage', hint: `Did you mean ${meant}?` }),
    );
  });

  it.each([[['--verbosely']], [['word']], [['-x']], [['--some_key=1', 'word']]])('%j is refused', (words) => {
    expect(() => judgeUnknown(words)).toThrow(expect.objectContaining({ code: 'usage' }));
  });
});

describe('readSwitch', () => {
  it.each<[string | boolean | undefined, boolean]>([
    [undefined, false],
    [true, true],
    ['1', true],
    ['True', true],
    ['on', true],
    ['0', false],
    ['False', false],
    ['', false],
    ['None', false],
  ])('%j is %j', (value, expected) => {
    expect(readSwitch('no_leader', value)).toBe(expected);
  });

  it('refuses anything else', () => {
    expect(() => readSwitch('no_leader', 'maybe')).toThrow(/no_leader/);
  });
});

it('reads retries', () => {
  expect(readRetries(undefined)).toBe(1);
  expect(readRetries('0')).toBe(0);
  expect(() => readRetries('-1')).toThrow(/retries/);
});
