import { Document, isMap, isScalar, type Node, type Pair, Scalar, visit } from 'yaml';
import type { JsonSchema } from './schema.ts';

/** A comment for the entry at this path, or none. */
export type CommentAt = (path: string[]) => string | undefined;

/**
 * YAML of a value, with a comment above each key that has one. Words that a YAML 1.1 reader takes for something else
 * (`yes`, `on`, `1e3`, `0777`) come out quoted, so that 1.1 and 1.2 read the same.
 */
export function toYaml(value: unknown, header: string[], commentAt: CommentAt): string {
  const document = new Document(value, { schema: 'yaml-1.1', aliasDuplicateObjects: false });
  visit(document, {
    Scalar: (_key, scalar) => {
      if (typeof scalar.value === 'string' && mistakable.test(scalar.value)) scalar.type = Scalar.QUOTE_DOUBLE;
    },
  });
  annotate(document.contents as Node, [], commentAt);
  const lines = header.map((line) => `# ${line}`).join('\n');
  return `${lines}\n\n${escaped(document.toString({ lineWidth: 120 }).trimStart())}`;
}

/** What the library leaves without quotes and some reader takes for a number or the end of a line. */
const mistakable = /^[-+]?0o[0-7]+$|[\u0080-\u009f\u2028\u2029\ufeff]/;

/** Line ends and controls that are no ASCII stand in double quotes by now, where they can be written as what they are. */
function escaped(text: string): string {
  return text.replace(
    /[\u0080-\u009f\u2028\u2029\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function annotate(node: unknown, path: string[], commentAt: CommentAt): void {
  if (!isMap(node)) return;
  for (const pair of node.items as Pair<Node, Node>[]) {
    if (!isScalar(pair.key)) continue;
    const at = [...path, String(pair.key.value)];
    const comment = commentAt(at);
    if (comment) {
      pair.key.commentBefore = wrap(comment, 116 - 2 * path.length);
      if (path.length === 0) pair.key.spaceBefore = true;
    }
    annotate(pair.value, at, commentAt);
  }
}

function wrap(text: string, width: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line ? `${line} ${word}` : word;
  }
  return [...lines, line].map((text) => ` ${text}`).join('\n');
}

/** Comments from a schema's descriptions: for each key of a fixed name, but none for what is inside a map of many. */
export function descriptionsOf(schema: JsonSchema): CommentAt {
  return (path) => {
    let at: JsonSchema | undefined = schema;
    for (const key of path) at = at?.properties?.[key];
    return at?.description;
  };
}
