// Prints, for each example payload, a line {event, body, signature}, signed by GitHub's own library.
import { readFile } from "node:fs/promises";
import { sign } from "@octokit/webhooks-methods";

const [secret] = process.argv.slice(2);
const path = new URL("node_modules/@octokit/webhooks-examples/api.github.com/index.json", import.meta.url);
for (const { name, examples } of JSON.parse(await readFile(path, "utf8"))) {
  for (const example of examples) {
    const body = JSON.stringify(example);
    console.log(JSON.stringify({ event: name, body, signature: await sign(secret, body) }));
  }
}
