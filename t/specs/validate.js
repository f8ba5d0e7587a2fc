// validate.js: validates an OpenAPI and an AsyncAPI document by their own tools: node validate.js OPENAPI ASYNCAPI.
// Prints what is wrong, warnings too, a line each; ends with 1 if there is any.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";
import { Validator } from "@seriousme/openapi-schema-validator";

const [openapi, asyncapi] = process.argv.slice(2);
const wrong = [];

const result = await new Validator().validate(openapi);
if (!result.valid)
	wrong.push(`${openapi}: ${typeof result.errors === "string" ? result.errors : JSON.stringify(result.errors)}`);

const { document, diagnostics } = await new Parser().parse(readFileSync(asyncapi, "utf8"));
for (const { severity, message, path } of diagnostics)
	if (severity < 2) wrong.push(`${asyncapi}: ${path.join(".")}: ${message}`);
if (!document && wrong.length === 0) wrong.push(`${asyncapi}: can't be parsed`);

for (const line of wrong) console.log(line);
process.exit(wrong.length > 0 ? 1 : 0);
