// signin.js: the view that asks who is there: for an e-mail address and its password, or for a token.
import {instantiate, isId, setOptional} from "./dom.js";

/** Does this server sign people in? milepost-login.conf says so. */
async function canLogIn() {
  try {
    return (await (await fetch("site.json", {cache: "no-cache"})).json()).login === true;
  } catch {
    return false;
  }
}

function loginFault({reason, status}) {
  if (status === 401) return `${reason}.`;
  if (status === 429) return "There were too many attempts. Please wait a minute, then try again.";
  if (status === 0) return navigator.onLine ? "The server does not answer. Please try again." : "You are offline.";
  return reason ? `${reason}.` : "That did not work. Please try again.";
}

export class SignInView {
  #find;

  /** reason: why it is asked. session: that is to be watched, or "". onDone(session): the token is kept. */
  constructor(access, {reason, session}, onDone) {
    [this.node, this.#find] = instantiate("sign-in-view");
    Object.assign(this, {access, session, onDone});
    this.title = "Sign in";
    setOptional(this.#find(".reason"), reason);
    this.#find("[name=session]").value = session;
    this.#on(".by-password", (form) => this.#byPassword(form));
    this.#on(".by-token", (form) => this.#byToken(form));
    this.#offer();
  }

  close() {}

  async #offer() {
    const login = await canLogIn();

    this.#find(".by-password").hidden = !login;
    this.#find("details").open = !login;
    this.#find("summary").hidden = !login;
  }

  #on(selector, handle) {
    const form = this.#find(selector);

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = form.querySelector("button");

      button.disabled = true;
      setOptional(this.#find(".error"), await handle(form.elements));
      button.disabled = false;
    });
  }

  async #byPassword({email, password}) {
    try {
      await this.access.signIn(email.value, password.value);
    } catch (refused) {
      password.value = "";
      password.focus();
      return loginFault(refused);
    }
    this.onDone(this.session);
    return "";
  }

  #byToken({token, session}) {
    const id = session.value.trim();

    if (id !== "" && !isId(id))
      return "That is no session’s id: it has 36 characters, like 550e8400-e29b-41d4-a716-446655440000.";
    if (!this.access.keep(token.value.trim()))
      return "That is no access token: it has three parts with points between them, as it begins with “eyJ”.";
    this.onDone(id.toLowerCase());
    return "";
  }
}
