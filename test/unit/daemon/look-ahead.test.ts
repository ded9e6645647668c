import { afterEach, describe, expect, it } from 'vitest';
import { LookAhead, type LookAheadDeps, MAX_MARKERS } from '../../../src/daemon/look-ahead.ts';
import { PgarcError } from '../../../src/errors.ts';
import type { PgarcEvent } from '../../../src/report/events.ts';
import { formatSegmentName } from '../../../src/wal/segment.ts';
import { waitFor } from '../../support/wait.ts';

/** archive_status, PostgreSQL's archiver and an upload, all in memory. */
class Scene {
  readonly ready = new Set<string>();
  readonly markers = new Set<string>();
  readonly running = new Set<string>();
  readonly pushed: string[] = [];
  readonly events: PgarcEvent[] = [];
  looks = 0;
  /** Names read from archive_status, over all looks. */
  entries = 0;
  mostRunning = 0;
  mostMarkers = 0;
  room = 4;
  upload: (name: string) => Promise<void> = () => new Promise((resolve) => setImmediate(resolve));
  onChange: (entry: string | undefined) => void = () => undefined;
  readonly lookAhead: LookAhead;

  constructor(more: Partial<LookAheadDeps> = {}) {
    this.lookAhead = new LookAhead({
      list: async () => {
        this.looks += 1;
        this.entries += this.ready.size;
        return [...this.ready].map((name) => `${name}.ready`);
      },
      isReady: async (name) => this.ready.has(name),
      push: (name) => this.push(name),
      isRunning: (name) => this.running.has(name),
      hasRoom: () => this.running.size < this.room,
      removeMarker: async (name) => void this.markers.delete(name),
      watch: (onChange) => {
        this.onChange = onChange;
        return () => {
          this.onChange = () => undefined;
        };
      },
      emit: (event) => this.events.push(event),
      pollInterval: 50,
      ...more,
    });
  }

  add(...names: string[]): void {
    for (const name of names) {
      this.ready.add(name);
      this.onChange(`${name}.ready`);
    }
  }

  /** What PostgreSQL does when archive_command has said 0. */
  done(name: string): void {
    this.ready.delete(name);
    this.onChange(`${name}.ready`);
    this.onChange(`${name}.done`);
  }

  async push(name: string): Promise<void> {
    if (this.running.has(name)) throw new Error(`${name} is pushed twice at once`);
    this.running.add(name);
    this.mostRunning = Math.max(this.mostRunning, this.running.size);
    try {
      this.pushed.push(name);
      await this.upload(name);
      this.markers.add(name);
      this.mostMarkers = Math.max(this.mostMarkers, this.markers.size);
    } finally {
      this.running.delete(name);
    }
  }
}

const scenes: Scene[] = [];
function start(more: Partial<LookAheadDeps> = {}, ...names: string[]): Scene {
  const scene = new Scene(more);
  scenes.push(scene);
  scene.add(...names);
  scene.lookAhead.start();
  scene.lookAhead.noteAsked();
  return scene;
}
afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.lookAhead.stop();
});

function names(count: number, timeline = 1): string[] {
  return Array.from({ length: count }, (_, index) =>
    formatSegmentName({ timeline, number: BigInt(index + 1) }, 2 ** 24),
  );
}

describe('look-ahead', () => {
  it('stores what waits, as many at once as there is room for, history files first', async () => {
    const waiting = names(20);
    const scene = start({}, ...waiting, '00000002.history');
    await waitFor(() => scene.markers.size === 21);
    expect(scene.pushed).toEqual(['00000002.history', ...waiting]);
    expect(scene.mostRunning).toBe(4);
  });

  it('counts what waits and stores nothing until somebody has asked: a copy may have another archive_command', async () => {
    const [first = '', second = '', third = ''] = names(3);
    const scene = new Scene({ pollInterval: 60_000 });
    scenes.push(scene);
    scene.add(first, second);
    scene.lookAhead.start();
    const backlog = (files: number) =>
      scene.events.some((event) => event.type === 'walBacklog' && event.files === files);
    await waitFor(() => backlog(2));
    scene.done(first);
    await waitFor(() => backlog(1));
    expect(scene.pushed).toEqual([]);
    scene.add(third);
    scene.lookAhead.noteAsked();
    await waitFor(() => scene.markers.size === 2);
    // Not what has been archived since the last look.
    expect(scene.pushed).toEqual([second, third]);
  });

  it('hears of new files, and forgets those PostgreSQL has done with', async () => {
    const [first = '', second = ''] = names(2);
    const scene = start({ pollInterval: 60_000 }, first);
    await waitFor(() => scene.markers.has(first));
    scene.add(second);
    await waitFor(() => scene.markers.has(second));
    scene.done(first);
    await waitFor(() => !scene.markers.has(first));
    expect([...scene.markers]).toEqual([second]);
    expect(scene.pushed).toEqual([first, second]);
  });

  it('finds them without being told, too', async () => {
    const [first = '', second = ''] = names(2);
    const scene = start({ watch: () => () => undefined }, first);
    await waitFor(() => scene.markers.has(first));
    scene.ready.add(second);
    scene.ready.delete(first);
    await waitFor(() => scene.markers.has(second) && !scene.markers.has(first));
  });

  it('takes over markers of files that were asked for', async () => {
    const [asked = ''] = names(1);
    const scene = start();
    scene.markers.add(asked);
    scene.lookAhead.notePushed(asked);
    await waitFor(() => scene.markers.size === 0);
  });

  it('says that it cannot count what it cannot read, and keeps the markers', async () => {
    const [first = ''] = names(1);
    let isBroken = false;
    const scene: Scene = start(
      {
        pollInterval: 5,
        list: async () => {
          if (isBroken) throw new Error('EACCES');
          return [...scene.ready].map((name) => `${name}.ready`);
        },
      },
      first,
    );
    await waitFor(() => scene.markers.size === 1);
    isBroken = true;
    const last = () => scene.events.findLast(({ type }) => type === 'walBacklog');
    await waitFor(() => JSON.stringify(last()) === '{"type":"walBacklog"}');
    expect(scene.markers.size).toBe(1);
    isBroken = false;
    await waitFor(() => JSON.stringify(last()) === '{"type":"walBacklog","files":1}');
    expect(scene.pushed).toEqual([first]);
  });

  it('goes on with markers that cannot be removed, and removes them when it can', async () => {
    const [first = '', second = '', third = ''] = names(3);
    let isReadOnly = true;
    const scene: Scene = start(
      {
        pollInterval: 5,
        removeMarker: async (name) => {
          if (isReadOnly) throw new Error('EROFS');
          scene.markers.delete(name);
        },
      },
      first,
      second,
    );
    await waitFor(() => scene.markers.size === 2);
    scene.done(first);
    scene.ready.delete(second);
    scene.add(third);
    await waitFor(() => scene.markers.size === 3);
    isReadOnly = false;
    await waitFor(() => scene.markers.size === 1);
    expect(scene.pushed).toEqual([first, second, third]);
  });

  it('works through 30,000 files with a few looks, and keeps its lead bounded', async () => {
    const count = 30_000;
    const waiting = names(count);
    const scene = start({ pollInterval: 600_000 }, ...waiting);
    const perThousand: number[] = [];
    for (const [index, name] of waiting.entries()) {
      if (index % 1000 === 0) perThousand.push(scene.entries);
      while (!scene.markers.has(name)) await new Promise((resolve) => setImmediate(resolve));
      scene.done(name);
    }
    await waitFor(() => scene.markers.size === 0);
    expect(scene.pushed).toEqual(waiting);
    expect(scene.mostMarkers).toBeLessThanOrEqual(MAX_MARKERS + scene.room);
    // Each look reads all that is left: their number must not grow with the backlog.
    expect(scene.entries).toBeLessThan(10 * count);
    const [first = 0, middle = 0, last = 0] = [perThousand[1], perThousand[15], perThousand.at(-1)];
    expect(last - middle).toBeLessThanOrEqual(middle - first + 3 * count);
  });

  it('tries one at a time, the oldest, while the store is down, then all of them in order', async () => {
    let down = true;
    let time = 0;
    const attempts: [string, number][] = [];
    const scene = start({ now: () => time, pollInterval: 1_000 });
    scene.upload = async (name) => {
      attempts.push([name, scene.running.size]);
      if (down) throw new PgarcError('store-unreachable', 'down');
    };
    const waiting = names(50);
    scene.add(...waiting);
    const clock = setInterval(() => {
      time += 500;
      // Its own timer runs by the clock on the wall.
      scene.lookAhead.notePushed(undefined);
    }, 1);
    try {
      await waitFor(() => attempts.length > 10);
      const later = attempts.slice(4);
      expect(new Set(later.map(([name]) => name))).toEqual(new Set([waiting[0]]));
      expect(new Set(later.map(([, running]) => running))).toEqual(new Set([1]));
      expect(scene.markers.size).toBe(0);
      down = false;
      attempts.length = 0;
      await waitFor(() => scene.markers.size === 50);
      expect(attempts.map(([name]) => name)).toEqual(waiting);
    } finally {
      clearInterval(clock);
    }
  });

  it('goes on past a file that will not do', async () => {
    const waiting = names(10);
    const bad = waiting[0];
    const scene = new Scene();
    scenes.push(scene);
    scene.upload = async (name) => {
      if (name === bad) throw new PgarcError('wal-conflict', 'other contents');
    };
    scene.ready.clear();
    scene.add(...waiting);
    scene.lookAhead.start();
    scene.lookAhead.noteAsked();
    await waitFor(() => scene.markers.size === 9);
    expect(scene.pushed.filter((name) => name === bad)).toHaveLength(1);
    expect(scene.markers.has(bad!)).toBe(false);
  });

  it('stops at once, and begins nothing afterwards', async () => {
    const scene = start({}, ...names(1));
    await waitFor(() => scene.markers.size === 1);
    await scene.lookAhead.stop();
    scene.ready.add('000000020000000000000001');
    scene.onChange('000000020000000000000001.ready');
    scene.lookAhead.notePushed(undefined);
    await new Promise((resolve) => setImmediate(resolve));
    expect(scene.pushed).toHaveLength(1);
  });
});
