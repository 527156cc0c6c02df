// A terminal of Jakarta One for Node.js, written from docs/protocol.md alone.
//
// It delivers transactions until each has a final result, holds lists, carries out commands, asks
// questions, and comes back when a connection ends. `node client.js URL NAME SEED` runs what
// docs/conformance.md asks of a client under test.

import { createHash, createPrivateKey, createPublicKey, sign } from "node:crypto";
import { fileURLToPath } from "node:url";
import { inflateSync } from "node:zlib";
import { decode, decodeMulti, encode } from "@msgpack/msgpack";
import WebSocket from "ws";

const SUBPROTOCOL = "jakarta-one.v1";
const VERSION = 1;
const FRAME_BYTES_MAX = 262_144;
const SUBMIT_HEADER_BYTES = 16;
const HANDSHAKE_MS = 10_000;
const PULSE_MS_MAX = 10_000; // "within ten seconds"
const PAUSE_FIRST_MS = 1_000;
const PAUSE_MS_MAX = 60_000;
const CONTENT_BYTES_MAX = 128 * 1024 * 1024;
const PART_TRANSACTIONS = 500;
const RECEIPT_MS_MAX = 10_000;

// Codes after which the same again ends the same way (section 10: repaired, enrolled).
const FINAL_CODES = new Set([
  "frame_invalid", "frames_exceeded", "text_frame", "message_too_big", "payload_invalid",
  "message_unknown", "field_invalid", "message_unexpected", "not_allowed", "version_unsupported",
  "proof_invalid", "key_unknown", "key_revoked", "credits_exceeded", "queries_exceeded",
  "orders_exceeded",
]);
const FINAL_RESULTS = new Set(["posted", "refused", "conflict"]);
const COMMANDS = new Set(["card", "restart", "log_level", "lane"]);

const OUTCOME_FIELDS = [
  ["counter"], ["result"], ["balance_rp", 0], ["position", -1], ["repeated", false],
  ["reason", ""], ["rule", ""], ["detail", ""], ["exceptions", []], ["retry_after_ms", 0],
];

/** The private key of a 32-byte seed (RFC 8032), as PKCS #8 has it. */
function keyOf(seed) {
  const prefix = Buffer.from("302e020100300506032b657004220420", "hex");
  return createPrivateKey({ key: Buffer.concat([prefix, seed]), format: "der", type: "pkcs8" });
}

function named(fields, values) {
  return Object.fromEntries(fields.map(([name, fallback], at) => [name, values[at] ?? fallback]));
}

/** What a terminal holds of one list, and what is on its way (section 15). */
class HeldList {
  constructor(name) {
    this.name = name;
    this.version = 0;
    this.hash = Buffer.alloc(0);
    this.entries = new Map();
    this.next = null; // what waits for its time
    this.mismatch = null;
    this.download = null;
  }

  /** As `holds` says it. */
  row() {
    if (this.mismatch) return [this.name, this.mismatch.version, this.mismatch.hash, "mismatch"];
    if (this.next) return [this.name, this.next.version, this.next.hash, "pending"];
    return [this.name, this.version, this.hash, "active"];
  }

  /** Take an offer; what has come of the same file before is gone on with. */
  offer([version, base, hash, activateMs, fileBytes, contentBytes]) {
    const offer = { version, base, hash: Buffer.from(hash), activateMs, fileBytes, contentBytes };
    const same = this.download && sameOffer(this.download.offer, offer);
    this.download = { offer, data: same ? this.download.data : Buffer.alloc(0) };
  }

  /** The next bytes to ask for. */
  wish() {
    const { offer, data } = this.download;
    return ["fetch", this.name, offer.version, offer.base, data.length];
  }

  /** Take a chunk; tell whether the file is whole. */
  chunk([version, base, offset, data]) {
    const download = this.download;
    const fits = download && download.offer.version === version && download.offer.base === base;
    if (!fits || download.data.length !== offset) return false;
    download.data = Buffer.concat([download.data, data]);
    return download.data.length >= download.offer.fileBytes || data.length === 0;
  }

  /** Take the file in: keep the list, or note that it does not match. */
  settle() {
    const { offer, data } = this.download;
    this.download = null;
    const found = this.unpacked(offer, data);
    if (found === null || !found.hash.equals(offer.hash)) {
      const hash = found === null ? Buffer.alloc(0) : found.hash;
      this.mismatch = { version: offer.version, hash };
      return;
    }
    this.mismatch = null;
    this.next = { version: offer.version, activateMs: offer.activateMs, ...found };
  }

  /** The list that a file leads to, and its hash; null if it is no file. */
  unpacked(offer, data) {
    if (offer.contentBytes > CONTENT_BYTES_MAX) return null;
    const before = this.next ?? this;
    if (offer.base !== 0 && offer.base !== before.version) return null;
    const entries = new Map(offer.base === 0 ? [] : before.entries);
    try {
      const content = inflateSync(data, { maxOutputLength: Math.max(1, offer.contentBytes) });
      for (const [key, value] of decodeMulti(content)) {
        if (value === null) entries.delete(key);
        else entries.set(key, value);
      }
    } catch {
      return null;
    }
    return { entries, hash: hashOf(entries) };
  }

  /** Begin to use what waits, if its time has come; tell whether that is so. */
  activate(nowMs) {
    if (this.next === null || this.next.activateMs > nowMs) return false;
    ({ version: this.version, hash: this.hash, entries: this.entries } = this.next);
    this.next = null;
    return true;
  }
}

function sameOffer(one, other) {
  return one.version === other.version && one.base === other.base && one.hash.equals(other.hash)
    && one.fileBytes === other.fileBytes;
}

function hashOf(entries) {
  const rows = [...entries].map(([key, value]) => [Buffer.from(key), [key, value]]);
  rows.sort(([one], [other]) => Buffer.compare(one, other));
  const digest = createHash("sha256");
  for (const [, row] of rows) digest.update(encode(row));
  return digest.digest();
}

/**
 * A terminal.
 *
 * Options: `url`, `name`, `seed` (Buffer), `lists` (names it wants), `carryOut(body)` (resolves when
 * a command is done, rejects with the reason why it failed), `journal(first, last)` (what it has
 * written down), `battery()`, `onReady(ready)`, `onOutcome(outcome)`, `onHolds(list)`.
 */
export class Terminal {
  constructor({ url, name, seed, lists = [], ...hooks }) {
    this.url = url;
    this.name = name;
    this.key = keyOf(seed);
    const { x } = createPublicKey(this.key).export({ format: "jwk" });
    this.publicKey = Buffer.from(x, "base64url");
    this.hooks = hooks;
    this.lists = new Map(lists.map((list) => [list, new HeldList(list)]));
    this.unsettled = new Map(); // counter -> { transaction, dueMs, underWay }
    this.commands = new Map(); // id -> { state, text, expiresMs }
    this.questions = new Map(); // id -> { question, resolve }
    this.receipts = new Map(); // "id part" -> resolve
    this.nextId = 0;
    this.pauseMs = PAUSE_FIRST_MS;
    this.aheadMs = 0;
    this.ready = null;
    this.ended = new Promise((resolve) => { this.end = resolve; });
  }

  /** Deliver a transaction; `onOutcome` is told of its final result. */
  submit(counter, atMs, intent) {
    this.unsettled.set(counter, { transaction: [counter, atMs, intent], dueMs: 0, underWay: false });
    this.pump();
  }

  /** Ask a question; resolves to the answer, an array that begins with its name. */
  async ask(question) {
    const id = this.nextId;
    this.nextId = (this.nextId + 1) % 2 ** 32;
    const answer = await new Promise((resolve) => {
      this.questions.set(id, { question, resolve });
      if (this.ready) this.say("query", id, question);
    });
    if (answer[0] !== "failed" || !answer[4]) return answer;
    await new Promise((resolve) => { setTimeout(resolve, answer[4]); });
    return this.ask(question);
  }

  /** The node's clock, as far as it was told. */
  nodeMs() {
    return Date.now() + this.aheadMs;
  }

  /** Keep a connection until `stop`, or until to come again is of no use. */
  connect() {
    const options = { perMessageDeflate: false, maxPayload: FRAME_BYTES_MAX, handshakeTimeout: HANDSHAKE_MS };
    this.socket = new WebSocket(this.url, [SUBPROTOCOL], options);
    this.lastError = "";
    const tooLate = setTimeout(() => this.socket.terminate(), HANDSHAKE_MS);
    this.socket.on("open", () => this.say("hello", [VERSION], this.name, this.publicKey, "node client 1.0"));
    this.socket.on("message", (data, isBinary) => {
      if (isBinary) this.take(decode(data));
      else this.socket.terminate();
      if (this.ready) clearTimeout(tooLate);
    });
    this.socket.on("unexpected-response", (_request, response) => {
      if (response.statusCode < 500) this.lastError = `http_${response.statusCode}`;
      this.socket.terminate();
    });
    this.socket.on("error", () => {}); // "close" follows
    this.socket.on("close", (_code, reason) => {
      clearTimeout(tooLate);
      this.lost(this.lastError || reason.toString().split(":")[0]);
    });
  }

  /** End in good order. */
  stop() {
    this.stopped = true;
    this.socket.close(1000);
  }

  lost(code) {
    this.ready = null;
    clearInterval(this.beating);
    clearTimeout(this.pulseDue);
    this.pulseDue = null;
    clearTimeout(this.again);
    for (const each of this.unsettled.values()) Object.assign(each, { underWay: false, dueMs: 0 });
    if (this.stopped || FINAL_CODES.has(code) || code.startsWith("http_")) {
      this.end(code);
      return;
    }
    setTimeout(() => this.connect(), this.pauseMs * (0.5 + Math.random() / 2));
    this.pauseMs = Math.min(2 * this.pauseMs, PAUSE_MS_MAX);
  }

  say(...message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(encode(message));
  }

  take([name, ...fields]) {
    switch (name) {
      case "challenge": return this.prove(fields);
      case "ready": return this.begin(fields);
      case "outcome": return this.takeOutcomes(fields);
      case "answer": return this.takeAnswer(fields);
      case "pulse": return this.takePulse(fields);
      case "offer": return this.takeOffer(fields);
      case "chunk": return this.takeChunk(fields);
      case "command": return this.takeCommand(fields);
      case "receipt": return this.receipts.get(`${fields[0]} ${fields[6] ?? 0}`)?.(fields);
      case "error": this.lastError = fields[0]; return undefined;
      default: return undefined;
    }
  }

  // --- section 3: the handshake ------------------------------------------------------------------

  prove([, nonce]) {
    const zero = Buffer.from([0]);
    const text = Buffer.concat(
      [Buffer.from(SUBPROTOCOL), zero, nonce, this.publicKey, Buffer.from(this.name)],
    );
    this.say("prove", sign(null, text, this.key));
  }

  begin([serverTimeMs, lastCounter, credits, heartbeatS, frameBytesMax, perFrameMax, capabilities]) {
    this.aheadMs = serverTimeMs - Date.now();
    this.ready = { lastCounter, frameBytesMax, perFrameMax, capabilities };
    this.credits = credits;
    if (this.unsettled.size === 0 && this.questions.size === 0) this.pauseMs = PAUSE_FIRST_MS;
    this.beating = setInterval(() => this.beat(), heartbeatS * 1000);
    for (const [id, { question }] of this.questions) this.say("query", id, question);
    for (const list of this.lists.values()) list.mismatch = null;
    this.hold();
    this.pump();
    this.hooks.onReady?.(this.ready);
  }

  // --- sections 7 and 8: transactions ------------------------------------------------------------

  /** Send what is due, oldest first, within the credits. */
  pump() {
    if (!this.ready) return;
    clearTimeout(this.again);
    const nowMs = performance.now();
    const open = [...this.unsettled.values()].filter(({ underWay }) => !underWay);
    const due = open.filter(({ dueMs }) => dueMs <= nowMs);
    due.sort((one, other) => one.transaction[0] - other.transaction[0]);
    while (due.length > 0 && this.credits > 0) this.submitSome(due);
    const later = open.map(({ dueMs }) => dueMs).filter((dueMs) => dueMs > nowMs);
    if (later.length > 0) {
      this.again = setTimeout(() => this.pump(), Math.ceil(Math.min(...later) - nowMs));
    }
  }

  submitSome(due) {
    const batch = [];
    let room = this.ready.frameBytesMax - SUBMIT_HEADER_BYTES;
    while (due.length > 0 && batch.length < Math.min(this.credits, this.ready.perFrameMax)) {
      room -= encode(due[0].transaction).length;
      if (room < 0) break;
      batch.push(due.shift());
    }
    this.credits -= batch.length;
    for (const each of batch) each.underWay = true;
    this.say("submit", batch.map(({ transaction }) => transaction));
  }

  takeOutcomes([rows, credits]) {
    this.pauseMs = PAUSE_FIRST_MS;
    this.credits += credits;
    for (const row of rows) this.takeOutcome(named(OUTCOME_FIELDS, row));
    this.pump();
  }

  takeOutcome(outcome) {
    const open = this.unsettled.get(outcome.counter);
    if (!open) return;
    if (FINAL_RESULTS.has(outcome.result)) {
      this.unsettled.delete(outcome.counter);
      this.hooks.onOutcome?.(outcome);
    } else {
      Object.assign(open, { underWay: false, dueMs: performance.now() + outcome.retry_after_ms });
    }
  }

  takeAnswer([id, answer]) {
    this.pauseMs = PAUSE_FIRST_MS;
    const open = this.questions.get(id);
    this.questions.delete(id);
    open?.resolve(answer);
  }

  beat() {
    this.say("heartbeat", Date.now(), this.unsettled.size, this.hooks.battery?.() ?? -1, "ok");
    this.pulseDue ??= setTimeout(() => this.socket.terminate(), PULSE_MS_MAX);
  }

  takePulse([, serverTimeMs]) {
    clearTimeout(this.pulseDue);
    this.pulseDue = null;
    this.aheadMs = serverTimeMs - Date.now();
  }

  // --- section 15: lists -------------------------------------------------------------------------

  hold() {
    if (this.ready?.capabilities.includes("lists") && this.lists.size > 0) {
      this.say("holds", [...this.lists.values()].map((list) => list.row()));
    }
  }

  takeOffer([name, ...offer]) {
    const list = this.lists.get(name);
    if (!list) return;
    list.offer(offer);
    if (list.download.data.length >= list.download.offer.fileBytes) this.settle(list);
    else this.say(...list.wish());
  }

  takeChunk([name, ...chunk]) {
    const list = this.lists.get(name);
    if (!list?.download) return;
    if (list.chunk(chunk)) this.settle(list);
    else this.say(...list.wish());
  }

  settle(list) {
    list.settle();
    this.hold();
    this.activate(list);
  }

  /** Use a list from its time on, on the node's clock. */
  activate(list) {
    if (list.next === null) return;
    if (list.activate(this.nodeMs())) {
      this.hold();
      this.hooks.onHolds?.(list);
      return;
    }
    const waitMs = Math.min(list.next.activateMs - this.nodeMs(), 60_000);
    setTimeout(() => this.activate(list), Math.max(waitMs, 1));
  }

  // --- section 16: commands ----------------------------------------------------------------------

  takeCommand([id, body, expiresMs]) {
    const known = this.commands.get(id);
    if (known) {
      this.report(id);
      return;
    }
    if (expiresMs <= this.nodeMs()) return;
    this.forgetOld();
    this.commands.set(id, { state: "delivered", text: "", expiresMs });
    this.report(id);
    this.carryOut(id, body).then(
      () => this.finish(id, "done", ""),
      (reason) => this.finish(id, "failed", String(reason.message).slice(0, 200)),
    );
  }

  /** Whose time is over will not be told again. */
  forgetOld() {
    for (const [id, { state, expiresMs }] of this.commands) {
      if (state !== "delivered" && expiresMs <= this.nodeMs()) this.commands.delete(id);
    }
  }

  async carryOut(id, [name, ...fields]) {
    if (name === "send_journal") return this.sendJournal(id, fields);
    if (!COMMANDS.has(name)) throw new Error(`this terminal does not know the command ${name}`);
    return this.hooks.carryOut([name, ...fields]);
  }

  finish(id, state, text) {
    Object.assign(this.commands.get(id), { state, text });
    this.report(id);
  }

  report(id) {
    const { state, text } = this.commands.get(id);
    if (this.ready) this.say("report", id, state, text);
  }

  async sendJournal(id, [first, last]) {
    const transactions = this.hooks.journal(first, last);
    for (let part = 0; part === 0 || part * PART_TRANSACTIONS < transactions.length; part += 1) {
      const start = part * PART_TRANSACTIONS;
      await this.sendPart(id, part, transactions.slice(start, start + PART_TRANSACTIONS));
    }
  }

  /** Send a part until there is a receipt for it. */
  async sendPart(id, part, transactions) {
    const waiting = `${id} ${part}`;
    const receipt = await new Promise((resolve) => {
      const send = () => { if (this.ready) this.say("journal_part", id, part, transactions); };
      const repeating = setInterval(send, RECEIPT_MS_MAX);
      this.receipts.set(waiting, (fields) => {
        clearInterval(repeating);
        resolve(fields);
      });
      send();
    });
    this.receipts.delete(waiting);
    const [, result, code] = receipt;
    if (result === "refused") throw new Error(`the node refuses the journal: ${code}`);
    if (result === "busy") await this.sendPart(id, part, transactions);
  }
}

/** What docs/conformance.md asks of a client under test. */
function underTest([url, name, seed]) {
  let carriedOut = 0;
  const transactions = Array.from({ length: 100 }, (_, at) => {
    const intent = ["tap", "6013500100000001", 3_500, "transjakarta", "in", "P00142", "5"];
    return [at + 1, 1_760_000_000_000 + (at + 1) * 1_000, intent];
  });
  const terminal = new Terminal({
    url,
    name,
    seed: Buffer.from(seed, "hex"),
    lists: ["deny", "settings"],
    battery: () => carriedOut,
    carryOut: async () => { carriedOut += 1; },
    journal: (first, last) => transactions.slice(first - 1, last),
  });
  terminal.connect();
  for (const transaction of transactions) terminal.submit(...transaction);
  return terminal.ended;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const code = await underTest(process.argv.slice(2));
  console.error(`the node has refused this terminal: ${code}`);
  process.exit(code === "key_revoked" ? 0 : 1);
}
