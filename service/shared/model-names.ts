import { type Span, stringAt } from './body.ts';
import { Refusal } from './errors.ts';
import { canonicalName } from './names.ts';

/** A model under its key, and under its name of Ollama's. */
export interface NamedModel {
  key: string;
  name: string;
}

/** Which model a name means. */
export class ModelNames<Model extends NamedModel> {
  readonly #byKey: Map<string, Model>;
  readonly #byName: Map<string, Model>;
  readonly #byFurtherName: Map<string, Model>;

  constructor(models: readonly Model[], aliasesOf: (model: Model) => readonly string[] = () => []) {
    const index = (namesOf: (model: Model) => string[]) =>
      new Map(models.flatMap((model) => namesOf(model).map((name) => [name, model])));
    this.#byKey = index(({ key }) => [key]);
    this.#byName = index(({ name }) => [canonicalName(name)]);
    this.#byFurtherName = index((model) => [model.key, ...aliasesOf(model)].map(canonicalName));
  }

  withKey(key: string): Model | undefined {
    return this.#byKey.get(key);
  }

  /** The model that a client means by its key, by an alias, or by a name that Ollama would take for it. */
  resolve(given: string): Model | undefined {
    const model = this.#byKey.get(given);
    if (model) return model;
    const name = canonicalName(given);
    return this.#byName.get(name) ?? this.#byFurtherName.get(name);
  }

  /** The same; throws a Refusal where there is none. */
  find(given: string): Model {
    const model = this.resolve(given);
    if (model) return model;
    throw new Refusal(404, `model '${given.slice(0, 255)}' not found`, { param: 'model', code: 'model_not_found' });
  }
}

/** Whether Ollama itself would take what the client wrote for the model. */
export function isOllamaName({ name }: { name: string }, given: string): boolean {
  return given === name || canonicalName(given) === canonicalName(name);
}

/** How the body of a request names its model, and where; throws a Refusal when it does not. */
export function modelNameIn(path: string, body: Buffer, members: Map<string, Span>): { given: string; at: Span } {
  // The old name of the parameter, which Ollama still takes there.
  const key = path === '/api/show' && !stringAt(body, 'model', members.get('model')) ? 'name' : 'model';
  const at = members.get(key);
  const given = stringAt(body, key, at);
  if (!at || !given) throw new Refusal(400, 'model is required', { param: 'model' });
  return { given, at };
}
