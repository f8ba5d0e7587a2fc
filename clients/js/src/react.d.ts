// react.d.ts: the contract of the React hook.
import type { Progress, WatchOptions } from "./index.js";

export interface SessionProgress {
  /** The newest update; null before the first. */
  progress: Progress | null;
  /** False while a lost connection is being replaced, too, and after the end. */
  isConnected: boolean;
  /** Why the server refused, for people; null while all is well, or may become so by itself. */
  error: string | null;
}

/**
 * Watches a session as long as the component is there. Where sessionId or token is empty it waits, and shows
 * nothing. A new sessionId, and another user's token, begin anew; a new token of the same user, or a new url, goes
 * on where the old one was left. A function stands for one user: to show what is another's, give the component
 * another key.
 *
 * @param token - the user's JSON Web Token, or a function that gives one; see WatchOptions
 * @param options - those of watchSession. url is the page's own origin if left out. They count when a
 *   watch begins: a later change of anything but url has no effect.
 */
export function useSessionProgress(
  sessionId: string | null | undefined,
  token: WatchOptions["token"] | null | undefined,
  options?: Partial<
    Omit<WatchOptions, "sessionId" | "token" | "onUpdate" | "onState" | "onError" | "onEnd" | "signal">
  >,
): SessionProgress;
