// words.js: everything that is told to people: refusals and what to do about them, stages, times.

/** What a refusal's reason means to a reader. `retry`, `signIn` and `start` say what is offered. */
const REFUSALS = {
  "Authentication required": {
    title: "Please sign in",
    advice: "This page has nothing yet that shows who you are.",
    signIn: true,
  },
  "Invalid authentication": {
    title: "Your access is no longer valid",
    advice: "It may have expired, or was withdrawn. Please open the link again where you got it, or sign in.",
    signIn: true,
  },
  "Session not found": {
    title: "There is no such session",
    advice: "It may have been deleted, or the link is incomplete. Please check the link, or ask who sent it to you.",
    start: true,
  },
  "Not authorized to access this session": {
    title: "You can’t see this session",
    advice: "It belongs to somebody else. If it should be yours, please ask your therapist or administrator; "
      + "if you have another account, sign in with that.",
    signIn: true,
    start: true,
  },
  "Too many connections": {
    title: "It is open in too many places",
    advice: "Please close this page in other windows and on other devices, then try again.",
    retry: true,
  },
  "Too many messages": {
    title: "The connection was cut",
    advice: "Something sent too much over it. Try again; if it happens again, please tell your administrator.",
    retry: true,
  },
};

/** The words for a refusal, whatever its reason. */
export function refusal(reason) {
  return REFUSALS[reason] ?? {
    title: "This can’t be shown",
    advice: reason ? `The server says: ${reason}.` : "The server gives no reason.",
    retry: true,
    start: true,
  };
}

/** Why a connection that ended on its own did so: a sentence for beside "trying again". */
export function loss({code, status, reason}) {
  if (!navigator.onLine) return "You are offline.";
  if (code === 1013 || reason === "Try again later") return "The service is full at the moment.";
  if (code === 1012 || status === 503) return "The service is restarting.";
  if (status === 429) return "Too many requests come from your address at the moment.";
  return "The connection was lost.";
}

const STAGES = {
  uploading: "Uploading",
  transcribing: "Transcribing",
  transcribed: "Transcribed",
  extracting_notes: "Extracting notes",
  processed: "Finished",
  failed: "Failed",
};

/** A stage's name; an installation may have stages of its own. */
export function stage(status) {
  const words = status.replaceAll("_", " ");

  return STAGES[status] ?? words.charAt(0).toUpperCase() + words.slice(1);
}

export function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** How much is left, no more exactly than an estimate is. */
export function left(seconds) {
  if (seconds <= 0) return "any moment now";
  if (seconds < 8) return "a few seconds left";
  if (seconds < 53) return `about ${Math.round(seconds / 5) * 5} seconds left`;
  if (seconds < 90) return "about a minute left";
  if (seconds < 3570) return `about ${Math.round(seconds / 60)} minutes left`;
  const quarters = Math.round(seconds / 900);

  return quarters % 4 === 0 ? `about ${plural(quarters / 4, "hour")} left` :
    `about ${quarters > 4 ? `${Math.floor(quarters / 4)} h ` : ""}${quarters % 4 * 15} min left`;
}

/** How long something took. */
export function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const minutes = Math.floor(seconds / 60);

  if (minutes === 0) return `${seconds} s`;
  if (minutes < 60) return `${minutes} min${seconds % 60 && minutes < 10 ? ` ${seconds % 60} s` : ""}`;
  return `${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
}

/** How long ago something was. */
export function ago(ms) {
  return ms < 5000 ? "just now" : `${span(ms)} ago`;
}

const time = new Intl.DateTimeFormat(undefined, {hour: "2-digit", minute: "2-digit", second: "2-digit"});
const day = new Intl.DateTimeFormat(undefined, {day: "numeric", month: "short"});

/** A time of day as the reader writes it, with the date where that is another than `now`'s. */
export function at(date, now) {
  return date.toDateString() === new Date(now).toDateString() ? time.format(date) :
    `${day.format(date)}, ${time.format(date)}`;
}
