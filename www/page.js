// page.js: which view is shown, by the URL's fragment: #session=ID, or none for all sessions.
//
// A link may bring a token as well, #session=ID&token=JWT: that is taken out of the address bar first of all.
import {Access} from "./access.js";
import {isId, setText} from "./dom.js";
import {ListView} from "./list.js";
import {RefusalView} from "./refusal.js";
import {SessionView} from "./session.js";
import {SignInView} from "./signin.js";

const main = document.querySelector("main");
const connection = document.getElementById("connection");
const signOut = document.getElementById("sign-out");
const access = new Access();
let view;

/** What a view asks of the page around it. */
const host = {
  onTitle(title) {
    document.title = `${title} – Milepost`;
  },

  /** How the connection is: state chooses the colour. */
  onConnection(state, text) {
    connection.hidden = false;
    connection.dataset.state = state;
    setText(connection.lastElementChild, text);
  },

  /** The server's last word on what the view shows. */
  onRefusal(reason) {
    show(new RefusalView(reason, isId(wanted()) ? wanted() : "", {onRetry: route, onSignIn: () => askWho("")}));
  },
};

/** The session in the URL, or "". */
function wanted() {
  return new URLSearchParams(location.hash.slice(1)).get("session") ?? "";
}

function urlOf(session) {
  return location.pathname + (session === "" ? "" : `#${new URLSearchParams({session})}`);
}

/** Takes everything out of the URL but the session. False: there was a token that can't be one. */
function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");

  history.replaceState(null, "", urlOf(wanted()));
  if (token === null || access.keep(token.trim())) return true;
  access.forget();
  return false;
}

function show(next) {
  const isFirst = view === undefined;

  view?.close();
  view = next;
  main.replaceChildren(next.node);
  connection.hidden = true;
  signOut.hidden = !access.given;
  host.onTitle(next.title);
  scrollTo(0, 0);
  // A screen reader goes on from the new view's heading; when the page opens, from the page's beginning.
  if (!isFirst) main.querySelector("h1").focus();
  next.open?.();
}

function askWho(reason) {
  access.forget();
  show(new SignInView(access, {reason, session: wanted()}, go));
}

function go(session) {
  history.pushState(null, "", urlOf(session));
  route();
}

function route() {
  if (!takeToken())
    askWho("The link is damaged: what stands in it as a token can’t be one. Please open it again, as a whole.");
  else if (!access.given) askWho("");
  else if (wanted() === "") show(new ListView(access, host));
  else if (!isId(wanted())) host.onRefusal("Session not found"); // nor is asked for: it may lead to another path
  else show(new SessionView(wanted(), access, host));
}

signOut.addEventListener("click", () => {
  history.replaceState(null, "", urlOf(""));
  askWho("You are signed out.");
});
addEventListener("popstate", route); // another fragment, by a link, the address bar, or back
route();
