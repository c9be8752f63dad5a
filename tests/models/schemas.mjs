// Validates each case against its schema, in both dialects that the catalogue promises: `schemas.mjs SCHEMAS CASES`.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_PACKAGES}/`);
const dialects = { "draft-07": require("ajv").default, "2020-12": require("ajv/dist/2020").default };
const [schemas, file] = process.argv.slice(2);
const cases = JSON.parse(readFileSync(file, "utf8"));
const annotations = ["class", "name", "state", "subject", "audience", "right", "args", "when", "frequency", "use", "since", "known", "personal", "own", "volatile", "key", "key-personal", "steps"];

let total = 0;
for (const [dialect, Ajv] of Object.entries(dialects)) {
  const ajv = new Ajv({ strict: true, allowUnionTypes: true, strictRequired: true, validateSchema: true });
  ajv.addVocabulary(annotations.map((name) => `x-cti-${name}`));
  const validators = new Map();
  let failed = 0;
  for (const { kind, stem, data } of cases) {
    if (!validators.has(stem)) {
      const { $schema, ...schema } = JSON.parse(readFileSync(`${schemas}/${stem}.json`, "utf8"));
      validators.set(stem, ajv.compile(schema));
    }
    const validate = validators.get(stem);
    if (!validate(data)) {
      failed += 1;
      console.error(`${stem}, ${kind}, ${dialect}: ${ajv.errorsText(validate.errors)}`);
    }
  }
  console.log(`ajv, ${dialect}: ${cases.length} of ${validators.size} schemas, ${failed} failed`);
  total += failed;
}
process.exit(total ? 1 : 0);
