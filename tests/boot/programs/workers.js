// SPDX-License-Identifier: GPL-2.0-or-later
//
// workers.js - what a compiler at run time does to an engine: code that is written, run, thrown
// away and replaced, in several threads, beside a collector of garbage. Prints what it computed.
const { Worker, isMainThread, parentPort, workerData } = require("worker_threads");
const crypto = require("crypto");

function floats(n) {
  let x = 0.5, sum = 0;
  for (let i = 0; i < n; i++) {
    x = 3.9 * x * (1 - x);
    sum += Math.sqrt(x + 1);
  }
  return sum.toFixed(6);
}

function garbage(n) {
  let kept = [], sum = 0;
  for (let i = 0; i < n; i++) {
    kept.push({ i, text: "x".repeat(i % 50), other: kept[i % (kept.length || 1)] && null });
    if (kept.length > 5000) kept = kept.slice(2500);
    sum = (sum + kept[(i * 7919) % kept.length].text.length) | 0;
  }
  return sum;
}

// Each kind of object makes the code that was compiled for the others wrong.
function kinds(n) {
  const get = o => o.a + (o.b || 0);
  const make = [i => ({ a: i }), i => ({ b: 1, a: i }), i => ({ a: i + 0.5, c: 2, b: 3 }),
                i => ({ a: String(i), b: "y" })];
  let hash = 0;
  for (let i = 0; i < n; i++)
    hash = (hash * 31 + String(get(make[(i >> 10) & 3](i))).length) | 0;
  return hash;
}

function evals(n) {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += new Function("x", `return x * ${i} + ${i % 7}`)(3);
  return sum;
}

function work(seed) {
  return [floats(200000), garbage(100000), kinds(50000), evals(2000),
          (3n ** 3000n % 1000000007n * BigInt(seed + 1)).toString(),
          JSON.stringify(Array.from({ length: 2000 }, (_, i) => [i, { k: i * 1.5 }])).length,
          "ab".repeat(3000).replace(/(a)(b)/g, "$2$1").length].join(" ");
}

if (!isMainThread) {
  parentPort.postMessage(crypto.createHash("sha256").update(work(workerData)).digest("hex"));
} else {
  console.log(work(0));
  Promise.all([1, 2, 3, 4].map(i => new Promise((done, failed) => {
    const worker = new Worker(__filename, { workerData: i });
    worker.on("message", done);
    worker.on("error", failed);
  }))).then(all => console.log(all.join("\n")));
}
