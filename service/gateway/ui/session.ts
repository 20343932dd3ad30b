/** The visitor's API key: in this tab alone, until it is closed, and in no address. */

const place = 'model-management-api-key';

// Where a browser keeps nothing, the page does for as long as it is open.
let kept = '';

export function key(): string {
  try {
    return sessionStorage.getItem(place) ?? kept;
  } catch {
    return kept;
  }
}

export function setKey(given: string): void {
  kept = given;
  try {
    if (given) sessionStorage.setItem(place, given);
    else sessionStorage.removeItem(place);
  } catch {
    // It is kept here.
  }
}

/** Asks the gateway with the visitor's key. Paths are relative to the page. */
export function ask(path: string, options: RequestInit = {}): Promise<Response> {
  const headers = new Headers(options.headers);
  if (key()) headers.set('authorization', `Bearer ${key()}`);
  return fetch(path, { ...options, headers, cache: 'no-store', credentials: 'omit' });
}

/** What an answer says went wrong. */
export async function problemIn(answer: Response): Promise<string> {
  const text = await answer.text().catch(() => '');
  try {
    const { error } = JSON.parse(text) as { error?: string };
    if (error) return error;
  } catch {
    // It is none of the gateway's.
  }
  return `status ${answer.status}`;
}
