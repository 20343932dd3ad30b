import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { errorBody, Refusal } from './errors.ts';

/** Why a connection was ended or not served. */
export type ConnectionProblem =
  /** There were too many. */
  | 'crowd'
  /** What came was no HTTP. */
  | 'malformed'
  /** The request did not arrive in time. */
  | 'slow'
  /** The client took nothing of what was written for it. */
  | 'stalled';

/** Connections beyond the cap that are still answered, so that health checks get through and clients hear why they don't. */
const spare = 64;

/** How long a connection beyond the cap may say nothing, in ms. */
const spareMs = 2000;

/** Requests on one connection that may wait for the answers of those before them. */
const maxWaiting = 16;

/**
 * How long a connection is kept after an error has been written to it, in ms: closed while its client still writes, it would
 * lose the error.
 */
const lingerMs = 1000;

/** Where a connection has its talk; why not in a WeakMap, body-memory.ts says. */
const talkKey = Symbol('talk');

type TalkingSocket = Socket & { [talkKey]?: Talk };

/** What is going on on one connection. */
interface Talk {
  /** Whether it came when there were too many. */
  isSpare: boolean;
  /** The responses that have not ended, in the order of their requests. */
  inHand: ServerResponse[];
  latest: ServerResponse | undefined;
  /** Whether the last has been said on it. */
  isOver: boolean;
}

/**
 * The connections of a server: how many there may be, that the requests of each are served one after the other, and that
 * those that hold it up are ended.
 */
export class Connections {
  readonly #max: number;
  readonly #note: (problem: ConnectionProblem) => void;
  #open = 0;

  /** `note` is told of each connection that is ended or not served. */
  constructor(max: number, note: (problem: ConnectionProblem) => void) {
    this.#max = max;
    this.#note = note;
  }

  /** Connections that are open at the moment. */
  get open(): number {
    return this.#open;
  }

  /** Looks after a server. Its `timeout` says how long a client may take nothing of what is written for it. */
  guard(server: Server): void {
    server.maxConnections = this.#max + spare;
    server.on('drop', () => this.#note('crowd'));
    server.on('connection', (socket) => this.#opened(socket));
    server.on('timeout', (socket) => this.#timedOut(socket));
    server.on('connect', (request, socket: Socket) => {
      socket.on('error', () => socket.destroy());
      this.#end(socket, request.url, new Refusal(405, 'CONNECT is not offered here'));
    });
  }

  /** What to say on a connection beyond the cap. */
  crowdProblem({ socket }: IncomingMessage): Refusal | undefined {
    if (!this.#talk(socket).isSpare) return undefined;
    this.#note('crowd');
    return new Refusal(503, 'there are too many connections at the moment', { retryAfter: 1 });
  }

  /**
   * Calls `go` once the requests before this one on its connection are answered. Their order is that of the answers anyway,
   * and a client that sends many at once and leaves is only noticed by the one that is being answered.
   */
  inTurn(response: ServerResponse, go: () => void): void {
    const { socket } = response.req;
    // Behind an answer that ends the connection, nothing more is answered, and so nothing done.
    if (hasEnded(socket)) return;
    const talk = this.#talk(socket);
    const before = talk.inHand.at(-1);
    talk.inHand.push(response);
    talk.latest = response;
    response.once('close', () => {
      talk.inHand.splice(talk.inHand.indexOf(response), 1);
      // What comes now belongs to no request before it, and an idle connection has none to keep.
      if (talk.latest === response && response.req.complete) talk.latest = undefined;
    });
    if (!before) go();
    else if (talk.inHand.length > maxWaiting) {
      this.#note('malformed');
      socket.destroy();
    } else {
      before.once('close', () => {
        if (!hasEnded(socket)) go();
      });
    }
  }

  /** Answers what is no HTTP, or does not arrive in time, as far as there is somebody to answer. */
  clientError(error: NodeJS.ErrnoException & { rawPacket?: unknown }, socket: Socket): void {
    const talk = this.#talk(socket);
    if (talk.isOver) return;
    const isLate = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
    if (isLate || error.code?.startsWith('HPE_')) this.#note(isLate ? 'slow' : 'malformed');
    else return void socket.destroy();
    const { latest, inHand } = talk;
    // An answer that has begun, or that is for another request, must not get an error into it.
    const isBody = latest && !latest.req.complete;
    if (isBody ? latest.headersSent || inHand.length !== 1 : inHand.length > 0) return void socket.destroy();
    this.#end(socket, isBody ? latest.req.url : pathIn(error.rawPacket), refusalOf(error));
    // What arrives after all must not be taken for a request.
    if (isLate) socket.destroySoon();
  }

  #opened(socket: Socket): void {
    this.#open++;
    socket.once('close', () => this.#open--);
    const talk = this.#talk(socket);
    talk.isSpare = this.#open > this.#max;
    if (talk.isSpare) socket.setTimeout(spareMs);
  }

  /** Nothing has been read or written for a time. */
  #timedOut(socket: Socket): void {
    const isAsked = this.#talk(socket).inHand.length > 0;
    // An answer of which nothing waits to be taken is one whose next byte may take minutes; the time begins anew with it.
    if (isAsked && socket.writableLength === 0) return;
    if (isAsked) this.#note('stalled');
    socket.destroy();
  }

  #end(socket: Socket, path: string | undefined, refusal: Refusal): void {
    if (hasEnded(socket)) return void socket.destroy();
    this.#talk(socket).isOver = true;
    const body = JSON.stringify(errorBody(path ?? '/', refusal));
    const head = [
      `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`,
      'connection: close',
      'content-type: application/json; charset=utf-8',
      `content-length: ${Buffer.byteLength(body)}`,
    ];
    socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
    const timer = setTimeout(() => socket.destroy(), lingerMs);
    socket.once('close', () => clearTimeout(timer));
  }

  #talk(socket: TalkingSocket): Talk {
    socket[talkKey] ??= { isSpare: false, inHand: [], latest: undefined, isOver: false };
    return socket[talkKey];
  }
}

/** Whether nothing more can be written. */
const hasEnded = (socket: Socket) => socket.destroyed || socket.writableEnded;

function refusalOf(error: NodeJS.ErrnoException): Refusal {
  switch (error.code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Refusal(408, 'the request did not arrive in time');
    case 'HPE_HEADER_OVERFLOW':
      return new Refusal(431, 'the request has too many headers, or they are too large');
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new Refusal(413, 'the chunk extensions of the request are too large');
    case 'HPE_PAUSED_H2_UPGRADE':
      return new Refusal(505, 'HTTP/1.1 is spoken here, and nothing else');
    default:
      return new Refusal(400, `the request is not valid HTTP: ${error.message.replace(/^Parse Error: /, '')}`);
  }
}

/** The path in the first line of a request that could not be parsed, as far as it is there. */
function pathIn(packet: unknown): string | undefined {
  if (!Buffer.isBuffer(packet)) return undefined;
  return /^[A-Z]+ (\/\S*)/.exec(packet.toString('latin1', 0, 256))?.[1];
}
