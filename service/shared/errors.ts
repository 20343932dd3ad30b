/** A request that is refused or failed, before the first byte of an answer; sent in the dialect that the client speaks. */
export class Refusal extends Error {
  readonly status: number;
  /** Seconds after which trying again makes sense. */
  readonly retryAfter: number | undefined;
  /** The parameter of the request that is at fault, in the OpenAI dialect. */
  readonly param: string | null;
  /** What went wrong in one word, in the OpenAI dialect. */
  readonly code: string | null;

  constructor(
    status: number,
    message: string,
    more: { retryAfter?: number; param?: string; code?: string; cause?: Error } = {},
  ) {
    super(message, more.cause && { cause: more.cause });
    this.status = status;
    this.retryAfter = more.retryAfter;
    this.param = more.param ?? null;
    this.code = more.code ?? null;
  }
}

/** What whoever comes to a hop on its way out is told. */
export const shuttingDown = () =>
  new Refusal(503, 'this server is shutting down, another takes over', { retryAfter: 1 });

/** What an error of either dialect says; undefined for what is none. */
export function messageIn(text: string): string | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: string | { message?: string } };
    return typeof error === 'string' ? error : error?.message;
  } catch {
    return undefined;
  }
}

/** The body of an error: as Ollama writes it, or as OpenAI does for paths under /v1. */
export function errorBody(path: string, refusal: Refusal): object {
  if (!path.startsWith('/v1/')) return { error: refusal.message };
  const { message, param, code } = refusal;
  return { error: { message, type: typeOf(refusal), param, code } };
}

function typeOf({ status }: Refusal): string {
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'api_error';
}

/**
 * The error that ends a stream which has begun, for clients that would take its breaking off for its end, as the ollama command
 * does; undefined where the answer is no stream, or has said so already. `last` is what went down last.
 */
export function lastWords(contentType: string, last: Buffer | undefined, message: string): string | undefined {
  if (last?.includes('{"error"')) return undefined;
  const endsWith = (end: string) => last === undefined || last.subarray(-end.length).equals(Buffer.from(end));
  if (contentType.startsWith('application/x-ndjson')) {
    return `${endsWith('\n') ? '' : '\n'}${JSON.stringify({ error: message })}\n`;
  }
  if (!contentType.startsWith('text/event-stream')) return undefined;
  const body = errorBody('/v1/', new Refusal(502, message));
  return `${endsWith('\n\n') ? '' : '\n\n'}data: ${JSON.stringify(body)}\n\n`;
}
