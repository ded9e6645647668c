import { parseCron } from './cron-fields.ts';
import { formatS3Place, parseS3Place, S3_PLACE } from './s3-place.ts';

/** How a setting is written and read. Pure: text in, value out. */
export interface ValueType<T> {
  /** What is allowed, for errors and docs: `a duration such as 500ms, 3s, 10min, 14d`. */
  readonly allowed: string;
  /** @returns undefined when `text` is not one */
  parse(text: string): T | undefined;
  /** Writes a value the way parse reads it. */
  format(value: T): string;
}

const DURATION_UNITS = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
const { w: _, ...DAYS_AT_MOST } = DURATION_UNITS;
const SIZE_UNITS = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 } as const;

export const text: ValueType<string> = {
  allowed: 'any text',
  parse: (value) => value,
  format: (value) => value,
};

export const path: ValueType<string> = {
  allowed: 'a path',
  parse: (value) => (value.includes('\0') ? undefined : value),
  format: (value) => value,
};

/** Longest a timer of Node can wait, ms; a longer one would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Milliseconds. */
export const duration: ValueType<number> = {
  allowed: 'a duration such as 500ms, 3s, 10min, 2h, 14d',
  parse: (value) => parseWithUnit(value, DURATION_UNITS),
  format: (value) => formatWithUnit(value, DURATION_UNITS, 'ms'),
};

/** A duration a timer can wait, from `least` ms on. */
export function timeout(least: number): ValueType<number> {
  return {
    allowed: `a duration from ${duration.format(least)} to 24d, such as 500ms, 3s, 10min`,
    parse(value) {
      const parsed = duration.parse(value);
      return parsed !== undefined && parsed >= least && parsed <= LONGEST_TIMER ? parsed : undefined;
    },
    format: duration.format,
  };
}

/** Longest span of time retention can look back, ms: a hundred years. */
const LONGEST_SPAN = 36_525 * DURATION_UNITS.d;

/** Milliseconds, without the limit of a timer; written in days where whole days fit. */
export const span: ValueType<number> = {
  allowed: 'a duration of at most 36525d, such as 36h, 14d, 8w',
  parse(value) {
    const parsed = duration.parse(value);
    return parsed !== undefined && parsed <= LONGEST_SPAN ? parsed : undefined;
  },
  format: (value) => formatWithUnit(value, DAYS_AT_MOST, 'ms'),
};

/** A time zone the platform knows. */
export const timeZone: ValueType<string> = {
  allowed: 'a time zone such as UTC or Europe/Berlin',
  parse(value) {
    try {
      new Intl.DateTimeFormat('en', { timeZone: value });
      return value;
    } catch {
      return undefined;
    }
  },
  format: (value) => value,
};

/** When a job runs. */
export const cronExpression: ValueType<string> = {
  allowed:
    "a cron expression: five fields such as '30 2 * * *' (minute 0-59, hour 0-23, day 1-31, month 1-12, weekday 0-7), of a day that exists",
  parse(value) {
    const written = value.trim().replace(/\s+/g, ' ');
    return typeof parseCron(written) === 'string' ? undefined : written;
  },
  format: (value) => value,
};

/** Bytes. */
export const size: ValueType<number> = {
  allowed: 'a size such as 512KiB, 64MiB, 2GiB',
  parse: (value) => parseWithUnit(value, SIZE_UNITS),
  format: (value) => formatWithUnit(value, SIZE_UNITS, 'B'),
};

export const flag: ValueType<boolean> = {
  allowed: 'true or false',
  parse(value) {
    if (/^(true|yes|on|1|t|y)$/i.test(value)) return true;
    if (/^(false|no|off|0|f|n)$/i.test(value)) return false;
    return undefined;
  },
  format: String,
};

/** A whole number from `least` to `most`, both included, in digits alone. */
export function integer(least: number, most: number): ValueType<number> {
  return {
    allowed: `a whole number from ${least} to ${most}`,
    parse(value) {
      if (!/^\d{1,15}$/.test(value)) return undefined;
      const number = Number(value);
      return number >= least && number <= most ? number : undefined;
    },
    format: String,
  };
}

/** One of some words, whether in capitals or not. */
export function choice<const T extends string>(...choices: readonly T[]): ValueType<T> {
  return {
    allowed: `one of ${choices.join(', ')}`,
    parse: (value) => choices.find((one) => one.toLowerCase() === value.toLowerCase()),
    format: (value) => value,
  };
}

/** Words separated by commas. */
export const list: ValueType<readonly string[]> = {
  allowed: 'a list separated by commas',
  parse: (value) =>
    value
      .split(',')
      .map((word) => word.trim().replace(/^['"]|['"]$/g, ''))
      .filter((word) => word !== ''),
  format: (value) => value.join(','),
};

/** Addresses of etcd. A user or password has settings of its own, which are not shown. */
export const etcdAddresses: ValueType<readonly string[]> = {
  allowed: 'a list of HOST:PORT or URLs, separated by commas; a user goes into etcd-user and etcd-password',
  parse: (value) => (value.includes('@') ? undefined : list.parse(value)),
  format: list.format,
};

/** Where objects live. A folder's path is taken as it is written, without percent decoding. */
export const storeLocation: ValueType<string> = {
  allowed: `${S3_PLACE} or file:///DIRECTORY`,
  parse(value) {
    if (/^s3:\/\//i.test(value)) {
      const place = parseS3Place(value.slice('s3://'.length));
      return place && formatS3Place(place);
    }
    const folder = /^(?:file:\/\/(?:localhost)?)?(\/.*)$/.exec(value)?.[1];
    if (folder === undefined || folder.includes('\0')) return undefined;
    return `file://${folder.replace(/\/+$/, '') || '/'}`;
  },
  format: (value) => value,
};

/** An HTTP endpoint; without a scheme https is meant, as the AWS SDKs do. */
export const endpoint: ValueType<string> = {
  allowed: 'a URL such as https://host:9000',
  parse(value) {
    const withScheme = /^[a-z+]+:\/\//i.test(value) ? value : `https://${value}`;
    const url = URL.parse(withScheme);
    if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '') return undefined;
    if (url.username !== '' || url.password !== '') return undefined;
    return withScheme.replace(/\/+$/, '');
  },
  format: (value) => value,
};

/** An address and a port to listen on; port 0 lets the system choose. */
export const listenAddress: ValueType<string> = {
  allowed: 'HOST:PORT, [IPV6]:PORT or off',
  parse(value) {
    if (value.toLowerCase() === 'off') return 'off';
    const match = /^(\[[0-9a-f:.]+\]|[^\s:/[\]]+):(\d{1,5})$/i.exec(value);
    return match !== null && Number(match[2]) <= 65535 ? value : undefined;
  },
  format: (value) => value,
};

function parseWithUnit(value: string, units: Readonly<Record<string, number>>): number | undefined {
  if (value === '0') return 0;
  const match = /^(\d{1,12}(?:\.\d{1,6})?)\s?([A-Za-z]+)$/.exec(value);
  const unit = match?.[2] === undefined || !Object.hasOwn(units, match[2]) ? undefined : units[match[2]];
  return match === null || unit === undefined ? undefined : Math.round(Number(match[1]) * unit);
}

/** The largest unit that divides the value. */
function formatWithUnit(value: number, units: Readonly<Record<string, number>>, smallest: string): string {
  if (value === 0) return '0';
  const [name, unit] = Object.entries(units).findLast(
    ([, factor]) => value >= factor && value % factor === 0,
  ) ?? [smallest, 1];
  return `${value / unit}${name}`;
}
