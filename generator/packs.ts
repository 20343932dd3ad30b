/**
 * Servers that several models share, by name. A model in no pack has a server of its own, `ollama-` and its key.
 * To pack the four business models on one server, put this between the braces:
 *
 *   'ollama-business': ['legal-analysis', 'risk-assessment', 'summary', 'recommendations'],
 */
export type Packs = Record<string, readonly string[]>;

export const packs: Packs = {};
