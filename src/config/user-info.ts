/**
 * A URL or address as it may be shown: what stands before its last `@` is not repeated, for people paste keys
 * there (`s3://key:secret@bucket`), and such keys may hold slashes.
 */
export function hideUserInfo(text: string): string {
  return text.replace(/^(.*?\/\/)?.*@/s, '$1…@');
}
