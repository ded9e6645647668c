import type { _Object as ListedObject, ListObjectsV2Command } from '@aws-sdk/client-s3';

const BEGIN = '<Contents>';
const END = '</Contents>';

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/**
 * Reads the objects of a page of a listing apart from the rest of the document. The SDK makes a tree of XML
 * first, which is two thirds of the time a listing of half a million objects takes.
 */
export class ListingPage {
  /** Undefined when the page has another form: then the SDK has read it. */
  objects: ListedObject[] | undefined;

  /** Lets the SDK read no more of the answers to this command than what is not an object. */
  constructor(command: ListObjectsV2Command) {
    command.middlewareStack.addRelativeTo(
      // biome-ignore lint/suspicious/noExplicitAny: the SDK's middleware types do not fit any one command
      (next: any) => async (args: any) => {
        const result = await next(args);
        this.#take(result.response as { body?: unknown });
        return result;
      },
      { relation: 'after', toMiddleware: 'deserializerMiddleware', name: 'readListingPage', override: true },
    );
  }

  #take(response: { body?: unknown }): void {
    this.objects = undefined;
    if (!(response.body instanceof Uint8Array)) return;
    const split = splitPage(Buffer.from(response.body).toString('utf8'));
    if (split === undefined) return;
    this.objects = split.objects;
    response.body = Buffer.from(split.rest);
  }
}

/** @returns undefined unless every object has a key, a size and a time, each once and as plain text */
export function splitPage(text: string): { objects: ListedObject[]; rest: string } | undefined {
  const objects: ListedObject[] = [];
  const rest: string[] = [];
  let at = 0;
  for (let begin = text.indexOf(BEGIN); begin !== -1; begin = text.indexOf(BEGIN, at)) {
    const end = text.indexOf(END, begin);
    if (end === -1) return undefined;
    const object = readObject(text.slice(begin + BEGIN.length, end));
    if (object === undefined) return undefined;
    objects.push(object);
    rest.push(text.slice(at, begin));
    at = end + END.length;
  }
  rest.push(text.slice(at));
  const left = rest.join('');
  return left.includes('<Contents') || left.includes('<![CDATA[') ? undefined : { objects, rest: left };
}

function readObject(entry: string): ListedObject | undefined {
  const key = textOf(entry, 'Key');
  const size = textOf(entry, 'Size');
  const modified = textOf(entry, 'LastModified');
  if (key === undefined || size === undefined || modified === undefined || !/^\d{1,15}$/.test(size))
    return undefined;
  const time = new Date(modified);
  if (Number.isNaN(time.getTime())) return undefined;
  return { Key: key, Size: Number(size), LastModified: time };
}

/** Text of the only element of that name. */
function textOf(entry: string, name: string): string | undefined {
  const open = `<${name}>`;
  const begin = entry.indexOf(open);
  const end = entry.indexOf(`</${name}>`, begin);
  if (begin === -1 || end === -1 || entry.includes(open, end)) return undefined;
  const text = entry.slice(begin + open.length, end);
  if (text.includes('<')) return undefined;
  return text.includes('&') ? decode(text) : text;
}

/** @returns undefined for an entity that XML does not define */
function decode(text: string): string | undefined {
  let isKnown = true;
  const decoded = text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(\w+));|&/gi, (_, hex, decimal, name) => {
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    const value = name === undefined ? fromCode(code) : ENTITIES[name];
    if (value === undefined) isKnown = false;
    return value ?? '';
  });
  return isKnown ? decoded : undefined;
}

function fromCode(code: number): string | undefined {
  return code >= 0 && code <= 0x10ffff ? String.fromCodePoint(code) : undefined;
}
