// The client at work at a real node: `node play.js URL NAME SEED CARD`.
//
// It taps CARD three times, asks for the balance, waits until CARD stands on the deny list and a
// command was carried out, and prints all that as one JSON object.

import { Terminal } from "./client.js";

const TAPS = 3;
const FARE_RP = 3_500;
const PATIENCE_MS = 30_000;

const [url, name, seed, card] = process.argv.slice(2);
const outcomes = [];
const commands = [];
let looked = () => {};

const terminal = new Terminal({
  url,
  name,
  seed: Buffer.from(seed, "hex"),
  lists: ["deny"],
  onOutcome: (outcome) => { outcomes.push(outcome); looked(); },
  onHolds: () => looked(),
  carryOut: async (body) => { commands.push(body); looked(); },
});

/** Wait until something holds; it is looked at whenever something has happened. */
function until(holds) {
  return new Promise((resolve) => {
    looked = () => { if (holds()) resolve(); };
    looked();
  });
}

const tooLate = setTimeout(() => process.exit(1), PATIENCE_MS);
const ready = new Promise((resolve) => { terminal.hooks.onReady = resolve; });
terminal.connect();
const { lastCounter } = await ready;
for (let tap = 1; tap <= TAPS; tap += 1) {
  terminal.submit(lastCounter + tap, Date.now(), ["tap", card, FARE_RP, "transjakarta", "in"]);
}
await until(() => outcomes.length === TAPS);
const balance = await terminal.ask(["balance", 1, card]);
const deny = terminal.lists.get("deny");
await until(() => deny.entries.has(card) && commands.length > 0);
terminal.stop();
await terminal.ended;
clearTimeout(tooLate);
console.log(JSON.stringify({
  results: outcomes.map(({ result }) => result), balance, denied: deny.entries.get(card), commands,
}));
