/** What an answer must look like to be S3's. */
export type Expected =
  /** An object's bytes, read later when the headers say that it is one. */
  | 'object'
  /** An object's headers and no body. */
  | 'head'
  /** The tag of what was stored and no body. */
  | 'tag'
  /** A whole XML document whose root is `…Result`. */
  | 'result'
  /** An XML document whose root is `…Configuration` and may be empty. */
  | 'configuration'
  /** No body. */
  | 'nothing';

/** What the request is, told from its form (S3 API reference). */
export function expectedAnswer(method: string, query: Record<string, unknown> = {}): Expected {
  if (method === 'GET' && 'versioning' in query) return 'configuration';
  if (method === 'GET') return 'list-type' in query || 'uploads' in query ? 'result' : 'object';
  if (method === 'POST') return 'result';
  if (method === 'HEAD') return 'head';
  return method === 'PUT' ? 'tag' : 'nothing';
}

/** The store, or something on the way to it, answered other than asked. */
export class S3Refusal extends Error {
  readonly status: number;
  /** S3's code, such as `NoSuchKey`; undefined when the answer has none. */
  readonly code: string | undefined;
  readonly requestId: string | undefined;
  /** False when the answer cannot be S3's: a proxy's page, or a document cut short. */
  readonly isFromStore: boolean;

  constructor(
    status: number,
    code: string | undefined,
    message: string,
    requestId: string | undefined,
    isFromStore: boolean,
  ) {
    super(message);
    this.name = 'S3Refusal';
    this.status = status;
    this.code = code;
    this.requestId = requestId;
    this.isFromStore = isFromStore;
  }
}

/** Whether the store itself refused with this code. */
export function isRefusal(error: unknown, ...codes: string[]): error is S3Refusal {
  return error instanceof S3Refusal && error.isFromStore && codes.includes(error.code ?? '');
}

/** Whether the headers are those of an object. pgarc stores no HTML; a proxy's page has a tag at times. */
export function isObject(status: number, headers: Readonly<Record<string, string>>): boolean {
  return status < 300 && headers.etag !== undefined && !isPage(headers);
}

function isPage(headers: Readonly<Record<string, string>>): boolean {
  return /^text\/html\b/i.test(headers['content-type'] ?? '');
}

/**
 * Makes sure that an answer read whole is S3's and says that it was done.
 * @throws S3Refusal
 */
export function checkAnswer(
  expected: Expected,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
): void {
  const text = body.toString('utf8').trim();
  const root = rootOf(text);
  const requestId = headers['x-amz-request-id'] ?? elementOf(text, 'RequestId');
  // AWS reports failures that it meets late in an answer of status 200.
  if (status >= 300 || root === 'Error') throw refusalOf(status, headers, text, root, requestId);
  // Google's storage calls the empty answer to a PUT text/html; only that of a HEAD has the type of something else.
  const isForeign = isPage(headers) && (text !== '' || expected === 'head');
  if (isForeign || root?.toLowerCase() === 'html' || !isWhole(expected, headers, text, root)) {
    throw foreign(status, text, requestId);
  }
}

/** Whether an answer says all that it must. */
function isWhole(
  expected: Expected,
  headers: Readonly<Record<string, string>>,
  text: string,
  root: string | undefined,
): boolean {
  switch (expected) {
    case 'object':
      return false;
    case 'head':
    case 'tag':
      return headers.etag !== undefined;
    case 'configuration':
      return root?.endsWith('Configuration') === true;
    case 'result':
      return root?.endsWith('Result') === true && isClosed(text, root);
    case 'nothing':
      return true;
  }
}

/** Whether a document is there to its end. That nothing is left to delete, some stores say with `<DeleteResult/>`. */
function isClosed(text: string, root: string): boolean {
  return (
    text.endsWith(`</${root}>`) || (root === 'DeleteResult' && /<DeleteResult(\s[^<>]*)?\/>$/.test(text))
  );
}

function refusalOf(
  status: number,
  headers: Readonly<Record<string, string>>,
  text: string,
  root: string | undefined,
  requestId: string | undefined,
): S3Refusal {
  const code = root === 'Error' ? elementOf(text, 'Code') : undefined;
  if (code !== undefined) {
    const region = headers['x-amz-bucket-region'];
    const where = region === undefined || status >= 400 ? '' : ` (the bucket is in region ${region})`;
    return new S3Refusal(status, code, (elementOf(text, 'Message') ?? '') + where, requestId, true);
  }
  // HEAD has no body; its request id tells that it was S3 that answered.
  if (text === '') return new S3Refusal(status, undefined, '', requestId, requestId !== undefined);
  return foreign(status, text, requestId);
}

function foreign(status: number, text: string, requestId: string | undefined): S3Refusal {
  return new S3Refusal(status, undefined, describeForeign(text), requestId, false);
}

/**
 * A few words of what came instead of S3's XML. Documents of other services may hold secrets: of those nothing is
 * repeated but the name of the root, and of a page its title.
 */
function describeForeign(text: string): string {
  if (text === '') return 'an answer S3 does not give';
  const isHtml = /^<(!doctype\s+html|html)\b/i.test(text);
  const kind = isHtml ? 'HTML instead of XML' : 'no answer of S3';
  const words = isHtml ? elementOf(text, 'title') : /^[<{["]/.test(text) ? rootOf(text) : text;
  const line = (words ?? '').replace(/\s+/g, ' ').trim();
  return line === '' ? kind : `${kind}: ${line.slice(0, 120)}`;
}

/** Name of the root element of an XML document. */
function rootOf(text: string): string | undefined {
  return /^(?:\ufeff)?(?:<\?xml[^>]*\?>\s*)?<([A-Za-z][\w.-]*)/.exec(text)?.[1];
}

/** Text of the first element of that name, unescaped. */
function elementOf(text: string, name: string): string | undefined {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`, 'i').exec(text)?.[1];
  return found?.replace(/&(amp|lt|gt|quot|apos|#39|#34);/g, (_, entity: string) => ENTITIES[entity]!);
}

const ENTITIES: Record<string, string> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  '#39': "'",
  '#34': '"',
};
