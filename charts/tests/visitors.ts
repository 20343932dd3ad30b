import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** What became of the requests of visitors. */
export interface Visits {
  answered: number;
  /** Why others were not. */
  failed: string[];
}

export interface Visitors extends Visits {
  /** Lets nobody in any more, and waits for those that are there. */
  stop(): Promise<Visits>;
}

/** One request; gives its status, or what went wrong. */
function visit(address: string, model: string, agent: Agent | false, options: object): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const asked = request(`${address}/api/chat`, { method: 'POST', agent }, (answer) => {
    let text = '';
    answer.on('data', (data) => {
      text += data;
    });
    answer.on('error', (error) => resolve(`cut: ${error.message}`));
    answer.on('end', () => resolve(answer.statusCode === 200 ? '' : `${answer.statusCode} ${text}`));
  });
  asked.on('error', (error) => resolve(`no answer: ${error.message}`));
  const messages = [{ role: 'user', content: 'hello' }];
  asked.end(JSON.stringify({ model, stream: false, messages, options }));
  return promise;
}

/**
 * Clients that ask a model for answers, short ones unless said, one after the other, until they are stopped: `keeping` of them on
 * connections that they keep, `fresh` on a new one for each request.
 */
export function visitors(
  address: string,
  model: string,
  counts: { keeping: number; fresh: number },
  options: object = { num_predict: 2 },
): Visitors {
  const began = performance.now();
  const visits: Visits = { answered: 0, failed: [] };
  let going = true;
  const run = async (agent: Agent | false) => {
    // Bounded in count as well as by the test.
    for (let turn = 0; going && turn < 20_000; turn++) {
      // No more often where they are refused at once than where they are answered.
      const [problem] = await Promise.all([visit(address, model, agent, options), sleep(100)]);
      if (problem === '') visits.answered++;
      else visits.failed.push(`${model} at ${Math.round(performance.now() - began)} ms: ${problem.slice(0, 200)}`);
    }
    if (agent) agent.destroy();
  };
  const agents = Array.from({ length: counts.keeping }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  const running = [...agents, ...Array<false>(counts.fresh).fill(false)].map(run);
  return Object.assign(visits, {
    stop: async () => {
      going = false;
      await Promise.all(running);
      return visits;
    },
  });
}
