/**
 * Text that others wrote, such as the name of an object, as a terminal may be given it: control characters, which
 * could move its cursor or forge a line, are shown as `\x1b`.
 */
export function escapeControls(text: string): string {
  return text.replace(/\p{Cc}/gu, escapeOne);
}

/** The same for text of several lines, which stay. */
export function escapeControlsInLines(text: string): string {
  return text.replace(/[^\P{Cc}\n]/gu, escapeOne);
}

function escapeOne(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
