// index.d.ts: the package's contract.

/** An update of a session's progress, as the server sends it. */
export interface Progress {
  session_id: string;
  /** One of the server's stages: uploading, transcribing, ..., processed, failed. */
  status: string;
  /** An integer from 0 to 100. */
  progress: number;
  /** For people. */
  message: string;
  /** UTC, as YYYY-MM-DDTHH:MM:SSZ. */
  updated_at: string;
  /** When this run of the session began. */
  created_at: string;
  /** Seconds. */
  estimated_time_remaining: number | null;
  /** What went wrong, where status is failed. */
  error: string | null;
  /** Grows with every update; see {@link WatchOptions.since}. */
  revision: number;
}

/**
 * - connecting: a connection is being opened
 * - open: it is open
 * - waiting: it was lost, or did not open; there is a pause before the next one
 * - closed: the session ended, the server refused, or close was called
 */
export type WatchState = "connecting" | "open" | "waiting" | "closed";

/** What is told with the state "waiting". */
export interface Waiting {
  retryInMs: number;
  /** Why the last connection ended. */
  cause: Error;
}

export type RefusalReason =
  | "Authentication required"
  | "Invalid authentication"
  | "Session not found"
  | "Not authorized to access this session"
  | "Too many connections"
  | "Too many messages"
  | (string & {});

/** The server said no, and would say it again: the watch is over. */
export class RefusedError extends Error {
  constructor(reason: RefusalReason, code: number);
  /** The server's words. */
  readonly reason: RefusalReason;
  /** The close code, 1008; or an HTTP status. */
  readonly code: number;
}

/** The part of a WebSocket class that is used: that of browsers, of Node, or of the package ws. */
export interface WebSocketLike {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  send(text: string): void;
  close(): void;
}

export interface WatchOptions {
  /** Where Milepost is: https://example.org, with a path if it lies below one. */
  url: string | URL;
  sessionId: string;
  /**
   * The user's JSON Web Token, alone (space around it does not count); or a function that gives one. It is called for each connection
   * ("connect"), and before its token expires ("refresh"), and gives null where there is no token any
   * more. Where it fails, it is asked again after a pause.
   */
  token: string | ((why: "connect" | "refresh") => string | null | Promise<string | null>);
  /**
   * Where the token goes. header (the default): the WebSocket's subprotocol, and Authorization
   * elsewhere. ticket: each connection's URL has a ticket that is good once, and no connection has the
   * token. query: in the URL, where logs and histories may keep it.
   */
  auth?: "header" | "ticket" | "query";
  /** auto (the default): WebSocket, and Server-Sent Events where it is blocked or not there. */
  transport?: "auto" | "websocket" | "sse";
  /**
   * The newest revision that is known: what follows is shown. 0: all that is kept of the current run.
   * Left out: the current update, and what follows.
   */
  since?: number;
  /** A connection that is silent for so long is taken for dead. Default: 60000, two heartbeats. */
  silenceMs?: number;
  /** How long a connection may take to open. Default: 10000. */
  openMs?: number;
  /** The pauses between two tries double from the first to the last. Default: 500 and 30000. */
  firstPauseMs?: number;
  lastPauseMs?: number;
  /** Closes the watch. */
  signal?: AbortSignal;
  /** Instead of globalThis.WebSocket, which Node has from version 22 on. */
  WebSocket?: new (url: string, protocols: string[]) => WebSocketLike;
  /** Instead of globalThis.fetch. */
  fetch?: typeof globalThis.fetch;

  /** Each update once, in order. */
  onUpdate?(update: Progress): void;
  onState?(state: WatchState, waiting?: Waiting): void;
  /** The session ended. The last update, if it was shown by this watch. */
  onEnd?(last: Progress | undefined): void;
  onError?(error: RefusedError): void;
}

/**
 * A session being watched. To iterate is another way to get the updates: the loop ends when the session
 * does, throws RefusedError, and closes the watch when it is left. Where there is no onUpdate, updates
 * wait for it from the beginning on. There can be one loop.
 */
export interface Watch extends AsyncIterable<Progress> {
  readonly state: WatchState;
  /** Of the newest update. */
  readonly revision: number | undefined;
  /** Ends it. Nothing is called back any more but onState, at once. */
  close(): void;
}

/**
 * Watches a session until it ends. Connections that are lost are replaced, after a pause that grows and
 * is partly drawn; from the first update that it shows on, none is missed and none comes twice.
 *
 * @throws TypeError an option is wrong: it is named
 */
export function watchSession(options: WatchOptions): Watch;
