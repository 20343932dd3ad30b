/**
 * The one spelling of a model's name, for comparing: with host, namespace and tag, in lower case. Ollama fills in
 * `registry.ollama.ai`, `library` and `latest`, and finds models without regard to case.
 */
export function canonicalName(name: string): string {
  let rest = name;
  let tag = 'latest';
  // A colon before the last slash belongs to a host's port.
  const colon = rest.lastIndexOf(':');
  if (colon > rest.lastIndexOf('/')) {
    tag = rest.slice(colon + 1);
    rest = rest.slice(0, colon);
  }
  const parts = rest.split('/');
  const model = parts.pop()!;
  const namespace = parts.pop() ?? 'library';
  const host = parts.length > 0 ? parts.join('/').replace(/^.*?:\/\//, '') : 'registry.ollama.ai';
  return `${host}/${namespace}/${model}:${tag}`.toLowerCase();
}

/** The namespace in a name: who owns the model, as the OpenAI dialect of Ollama says it. */
export function namespaceOf(name: string): string {
  return name.split('/').at(-2) ?? 'library';
}
