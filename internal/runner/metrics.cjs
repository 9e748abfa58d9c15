// Loaded into a Node app by NODE_OPTIONS, before its program: tells the metrics that PM2's
// users know.
//
//   app    ── {node_version} ────────────────────▶ daemon   once
//   app    ── {type:"tend:metrics",data:[…]} ────▶ daemon   a second after something happened
//   daemon ── {cmd:"NODE_TEND"} ─────────────────▶ app      something happens: a daemon that took it over
//
// An app that does nothing tells nothing, and is not woken. That something happens, an
// immediate notices that keeps nobody awake: it runs when the event loop turns for another
// reason. A second later all is told that happened until then, and the next one waits.
//
// TEND_METRICS is what it was loaded by. It is taken back at once, so that the app sees the
// environment that was meant for it, and its threads and children know nothing of this.
'use strict';
try {
  const loaded = process.env.TEND_METRICS, options = process.env.NODE_OPTIONS;
  if (loaded && options && options.startsWith(loaded)) {
    delete process.env.TEND_METRICS;
    if (options === loaded) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = options.slice(loaded.length + 1);
    if (process.connected && process.send) install(process.send);
  }
} catch {} // An app without metrics is as good as ever.

// install tells by send. What a program makes of the clock, for its tests, is not for this.
function install(send, { setTimeout, setImmediate, performance } = globalThis) {
  const http = countRequests(require('diagnostics_channel'), performance);
  const late = new Float64Array(60); // by how much the loop was, the last times
  let looks = 0, due;
  wait();

  function wait() {
    due = performance.now() + 1000;
    setTimeout(look, 1000).unref();
  }

  // What the loop has to do now that the second is over is told with it: tell comes behind.
  function look() {
    late[looks++ % late.length] = Math.max(0, performance.now() - due);
    setImmediate(tell);
  }

  function tell() {
    if (looks === 1) say({ node_version: process.versions.node }, () => {});
    const { total_heap_size: total, used_heap_size: used } = require('v8').getHeapStatistics();
    const list = sorted(late, looks);
    say({
      type: 'tend:metrics',
      data: [
        rounded(total / 1048576), rounded(used / 1048576), rounded(used / total * 100),
        process._getActiveRequests().length, process._getActiveHandles().length,
        rounded(list[list.length >> 1]), rounded(p95(list)), ...http(),
      ],
    }, (error) => { if (!error) setImmediate(wait).unref(); });
  }

  // done is called once the kernel has it: of a daemon that does not read, nothing piles up.
  function say(message, done) {
    try { send.call(process, message, undefined, undefined, done); } catch {} // the channel has closed
  }
}

// countRequests notes each request that was answered. Its rate is that of the last minute,
// the later the more, so that it can be told how it falls while nothing comes.
function countRequests(dc, performance) {
  const began = Symbol('began');
  const latencies = new Float64Array(512); // of the last requests
  let seen = 0, told = 0, at = 0, rate = 0;
  dc.subscribe('http.server.request.start', ({ response }) => { response[began] = performance.now(); });
  dc.subscribe('http.server.response.finish', ({ response }) => { latencies[seen++ % latencies.length] = performance.now() - response[began]; });
  return () => {
    if (seen === 0) return [];
    const now = performance.now(), list = sorted(latencies, seen);
    rate = rate * Math.exp((at - now) / 60000) + seen - told;
    told = seen, at = now;
    return [rounded(rate), rounded(list.reduce((a, b) => a + b) / list.length), rounded(p95(list))];
  };
}

function sorted(ring, count) { return ring.slice(0, Math.min(count, ring.length)).sort(); }
function p95(list) { return list[Math.ceil(list.length * 0.95) - 1]; }
function rounded(value) { return Math.round(value * 100) / 100; }
