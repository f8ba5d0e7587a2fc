// types.ts: the package as a TypeScript program uses it; it is compiled, never run.
import { RefusedError, watchSession } from "../src/index.js";
import type { Progress, Watch } from "../src/index.js";
import { useSessionProgress } from "../src/react.js";

const watch: Watch = watchSession({
  url: new URL("https://example.org"),
  sessionId: "550e8400-e29b-41d4-a716-446655440000",
  token: async (why) => (why === "refresh" ? "another" : null),
  auth: "ticket",
  WebSocket,
  fetch,
  onUpdate: ({ progress, estimated_time_remaining: seconds }) => (progress / 100) * (seconds ?? 0),
  onState: (state, waiting) => state === "waiting" && waiting?.cause.message,
  onError: (error) => error.reason === "Session not found" && error.code === 1008,
  onEnd: (last) => last?.error?.length,
});

export async function all(): Promise<Progress[]> {
  const updates: Progress[] = [];

  try {
    for await (const update of watch) updates.push(update);
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
  }
  return updates;
}

export function Text(): string {
  const { progress, isConnected, error } = useSessionProgress("id", null, { since: 0 });

  return error ?? progress?.message ?? String(isConnected);
}

// @ts-expect-error: no such place
watchSession({ url: "", sessionId: "", token: "", auth: "cookie" });
// @ts-expect-error: no token
watchSession({ url: "", sessionId: "" });
// @ts-expect-error: the hook's own
useSessionProgress("id", "token", { onUpdate() {} });
