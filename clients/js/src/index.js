// index.js: what the package offers; react.js beside it is an entry of its own.
export { RefusedError } from "./errors.js";
export { watchSession } from "./watch.js";
