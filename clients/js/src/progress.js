// progress.js: what counts as an update.
import { LostError } from "./errors.js";

/** @typedef {import("./index.js").Progress} Progress */

/**
 * @param {any} update
 * @returns {Progress}
 * @throws {LostError} it is none: something else than Milepost answers
 */
export function checked(update) {
  if (typeof update?.status === "string" && Number.isInteger(update.progress) && Number.isSafeInteger(update.revision))
    return update;
  throw new LostError("What came is no progress of Milepost's");
}
