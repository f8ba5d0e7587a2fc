// react.js: the progress of a session as a React hook.
import { useEffect, useRef, useState } from "react";
import { watchSession } from "./index.js";
import { userOf } from "./token.js";

/** @typedef {import("./react.js").SessionProgress} SessionProgress */

/** @type {SessionProgress} */
const NOTHING = { progress: null, isConnected: false, error: null };
const NOBODYS = { of: "", view: NOTHING };

/** @type {typeof import("./react.js").useSessionProgress} */
export function useSessionProgress(sessionId, token, options = {}) {
  const [shown, setShown] = useState(NOBODYS);
  // A function may be another one at each rendering; it is asked when a token is needed.
  const tokenKey = typeof token === "function" ? "function" : token;
  // What one user may see is not shown to the next, nor when nobody is there any more.
  const key = sessionId && tokenKey ? JSON.stringify([sessionId, userOf(tokenKey)]) : "";
  const view = shown.of === key ? shown.view : NOTHING;
  const latest = useRef({ token, options, view });

  useEffect(() => {
    latest.current = { token, options, view };
  });
  useEffect(() => {
    if (!sessionId || !tokenKey) {
      setShown(() => NOBODYS);
      return undefined;
    }
    const { token, options, view } = latest.current;
    let isCurrent = true;
    /** @param {Partial<SessionProgress>} part */
    const change = (part) => {
      if (isCurrent)
        setShown((old) => ({
          of: key,
          view: { ...(old.of === key ? old.view : NOTHING), ...part },
        }));
    };
    const watch = watchSession({
      url: globalThis.location?.origin,
      since: view.progress?.revision,
      ...options,
      sessionId,
      token: typeof token === "function" ? (why) => /** @type {any} */ (latest.current.token)(why) : /** @type {string} */ (token),
      onUpdate: (progress) => change({ progress }),
      onState: (state) => change({ isConnected: state === "open" }),
      onError: (error) => change({ error: error.message }),
    });

    change({ isConnected: false, error: null });
    return () => {
      isCurrent = false;
      watch.close();
    };
  }, [options.url, key, tokenKey]);

  return view;
}
