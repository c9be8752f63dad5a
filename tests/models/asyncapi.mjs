// Parses an AsyncAPI document with the official parser. Anything but its hint that a newer version exists is a failure.
// NODE_PACKAGES is the directory of node_modules.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_PACKAGES}/`);
const { Parser } = require("@asyncapi/parser");

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
const faults = diagnostics.filter(({ code }) => code !== "asyncapi-latest-version");
for (const { message, path } of faults) console.error(`AsyncAPI: ${path.join("/")}: ${message}`);
if (!document || faults.length > 0) process.exit(1);
console.log(`AsyncAPI: ${document.allChannels().length} channels, ${document.allMessages().length} messages`);
