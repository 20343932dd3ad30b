import { type Span, topLevelMembers } from '../shared/body.ts';
import { isOllamaName, modelNameIn } from '../shared/model-names.ts';
import { keepAliveMs } from './keep-alive.ts';
import type { Edit } from './runner-options.ts';

/** Longest `keep_alive` that is looked at, in bytes. */
const maxKeepAliveBytes = 1000;

/** Where Ollama looks at `keep_alive`, and the member without which a request there does nothing but load or unload. */
const contentOf: Record<string, string | undefined> = { '/api/generate': 'prompt', '/api/chat': 'messages' };
const keepAliveRoutes = new Set(['/api/generate', '/api/chat', '/api/embed', '/api/embeddings']);

/** The body of a request, and what it says that an agent has to know. */
export class Asked {
  readonly path: string;
  readonly body: Buffer;
  readonly members: Map<string, Span>;
  /** How it names its model, and where. */
  readonly given: string;
  readonly #nameAt: Span;

  /** Throws a Refusal for what is no JSON object that names a model. */
  constructor(path: string, body: Buffer) {
    this.path = path;
    this.body = body;
    this.members = topLevelMembers(body);
    const { given, at } = modelNameIn(path, body, this.members);
    this.given = given;
    this.#nameAt = at;
  }

  /** The edits after which it names its model as Ollama does. */
  naming(model: { name: string }): Edit[] {
    return isOllamaName(model, this.given) ? [] : [{ ...this.#nameAt, text: JSON.stringify(model.name) }];
  }

  /** How long the client wants the model to stay after it, in ms. */
  get keepMs(): number | undefined {
    const span = this.#keepAlive;
    if (!span || span.end - span.start > maxKeepAliveBytes) return undefined;
    return keepAliveMs(this.#textAt(span));
  }

  /** The edits after which the model stays, whatever the client wants. */
  get staying(): Edit[] {
    const span = this.#keepAlive;
    return span ? [{ ...span, text: '-1' }] : [];
  }

  get #keepAlive(): Span | undefined {
    return keepAliveRoutes.has(this.path) ? this.members.get('keep_alive') : undefined;
  }

  /** Whether it asks for nothing but that the model is unloaded. */
  get isUnload(): boolean {
    const content = contentOf[this.path];
    return content !== undefined && this.keepMs === 0 && this.#isEmpty(this.members.get(content));
  }

  #isEmpty(span: Span | undefined): boolean {
    if (!span) return true;
    const { start, end } = span;
    // A string or list of no more than its two ends and what may be between them in a list.
    const isOpen = this.body[start] === 0x22 || this.body[start] === 0x5b;
    return isOpen ? end - start < 100 && /^(""|\[\s*\])$/.test(this.#textAt(span)) : this.#textAt(span) === 'null';
  }

  #textAt({ start, end }: Span): string {
    return this.body.toString('utf8', start, end);
  }
}
