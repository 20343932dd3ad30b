/** The routes that ask a model for something, with its name in the body. */
export const modelRoutes = [
  '/api/generate',
  '/api/chat',
  '/api/embed',
  '/api/embeddings',
  '/api/show',
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/embeddings',
] as const;
