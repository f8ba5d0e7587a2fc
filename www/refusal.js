// refusal.js: the view of what can't be shown: why, in plain words, and what to do.
import {instantiate, setOptional, setText} from "./dom.js";
import {refusal} from "./words.js";

export class RefusalView {
  constructor(reason, session, {onRetry, onSignIn}) {
    const {title, advice, retry = false, signIn = false, start = false} = refusal(reason);
    const [node, find] = instantiate("refusal-view");

    Object.assign(this, {node, title});
    setText(find("h1"), title);
    setText(find(".advice"), advice);
    setOptional(find(".id"), session);
    find(".session").hidden = session === "";
    find(".retry").hidden = !retry;
    find(".sign-in").hidden = !signIn;
    find("a").hidden = !start;
    find(".retry").addEventListener("click", onRetry);
    find(".sign-in").addEventListener("click", onSignIn);
  }

  close() {}
}
