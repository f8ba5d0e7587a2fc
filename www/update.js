// update.js: what counts as an update.

function isTime(text) {
  return !Number.isNaN(Date.parse(text));
}

/** Is it Milepost's? Something else may answer in its place. */
export function isUpdate(update) {
  return typeof update?.status === "string" && typeof update.message === "string" && isTime(update.created_at) &&
    isTime(update.updated_at) && Number.isInteger(update.progress) && Number.isSafeInteger(update.revision);
}
