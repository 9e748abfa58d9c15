// Loaded into a Node app by NODE_OPTIONS, before its program: tells the metrics that PM2's
// users know, when it is asked.
//
//   daemon ── {cmd:"NODE_TEND",act:"metrics"} ────────▶ app
//   app    ── {node_version} ─────────────────────────▶ daemon   the first time
//   app    ── {type:"axm:monitor",answer:true,data} ──▶ daemon
//
// Until then it counts HTTP requests and does nothing else: there is no timer. While it is
// asked again and again it watches the event loop.
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

function install(send) {
  const http = countRequests(require('diagnostics_channel'));
  let loop = null;
  process.on('internalMessage', (message) => {
    if (!message || message.cmd !== 'NODE_TEND' || message.act !== 'metrics') return;
    if (loop === null) {
      say({ node_version: process.versions.node });
      loop = watchLoop(require('perf_hooks'));
    }
    loop((latency) => say({ type: 'axm:monitor', answer: true, data: { ...http(), ...memory(), ...held(), ...latency } }));
  });
  function say(message) {
    try { send.call(process, message, undefined, undefined, () => {}); } catch {} // the channel has closed
  }
}

function metric(type, value, unit) {
  return unit ? { historic: true, unit, type, value } : { historic: true, type, value };
}

// countRequests notes each request that was answered.
function countRequests(dc) {
  const { performance } = require('perf_hooks');
  const began = Symbol('began');
  const seconds = new Uint32Array(60), counts = new Uint32Array(60); // of the last minute
  const latencies = new Float64Array(512); // of the last requests
  let seen = 0;
  dc.subscribe('http.server.request.start', ({ response }) => { response[began] = performance.now(); });
  dc.subscribe('http.server.response.finish', ({ response }) => {
    const now = performance.now(), second = Math.floor(now / 1000), i = second % 60;
    if (seconds[i] !== second) seconds[i] = second, counts[i] = 0;
    counts[i]++;
    latencies[seen++ % 512] = now - response[began];
  });
  return () => {
    if (seen === 0) return {};
    const second = Math.floor(performance.now() / 1000);
    let rate = 0;
    for (let i = 0; i < 60; i++) if (seconds[i] > second - 60) rate += counts[i];
    const list = latencies.slice(0, Math.min(seen, 512)).sort();
    return {
      'HTTP Mean Latency': metric('internal/http/builtin/latency/p50', rounded(list.reduce((a, b) => a + b) / list.length), 'ms'),
      'HTTP P95 Latency': metric('internal/http/builtin/latency/p95', rounded(list[Math.ceil(list.length * 0.95) - 1]), 'ms'),
      HTTP: metric('internal/http/builtin/reqs', rate, 'req/min'),
    };
  };
}

function memory() {
  const { total_heap_size: total, used_heap_size: used } = require('v8').getHeapStatistics();
  return {
    'Heap Size': metric('internal/v8/heap/total', (total / 1048576).toFixed(2), 'MiB'),
    'Heap Usage': metric('internal/v8/heap/usage', rounded(used / total * 100), '%'),
    'Used Heap Size': metric('internal/v8/heap/used', (used / 1048576).toFixed(2), 'MiB'),
  };
}

function held() {
  return {
    'Active requests': metric('internal/libuv/requests', process._getActiveRequests().length),
    'Active handles': metric('internal/libuv/handles', process._getActiveHandles().length),
  };
}

// watchLoop gives a function that tells how late the event loop is: at first over a few turns
// of it, then over the time since it was asked last.
function watchLoop({ monitorEventLoopDelay, performance }) {
  const resolution = 20, patience = 10000; // ms
  const delays = monitorEventLoopDelay({ resolution });
  let end = null;
  return (tell) => {
    if (end !== null && delays.max > 0) {
      clearTimeout(end);
      setTimeout(() => { // what kept the loop until now counts, too
        const at = (p) => Math.max(0, delays.percentile(p) / 1e6 - resolution);
        tell(latency(at(50), at(95)));
        delays.reset();
      }, 1).unref();
    } else {
      if (end !== null) clearTimeout(end);
      setImmediate(() => turns(5, [], tell));
      delays.reset();
      delays.enable();
    }
    end = setTimeout(() => { delays.disable(); end = null; }, patience).unref();
  };
  function turns(n, list, tell) {
    const began = performance.now();
    setImmediate(() => {
      list.push(performance.now() - began);
      if (n > 1) return turns(n - 1, list, tell);
      list.sort((a, b) => a - b);
      tell(latency(list[list.length >> 1], list[list.length - 1]));
    });
  }
  function latency(p50, p95) {
    return {
      'Event Loop Latency': metric('internal/libuv/latency/p50', p50.toFixed(2), 'ms'),
      'Event Loop Latency p95': metric('internal/libuv/latency/p95', p95.toFixed(2), 'ms'),
    };
  }
}

function rounded(value) { return Math.round(value * 100) / 100; }
