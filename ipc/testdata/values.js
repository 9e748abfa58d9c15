// A Node child that sends one value of each kind, expects each back, and tells which came back as others.
const { isDeepStrictEqual } = require('util');

const cycle = { name: 'cycle', list: [], map: new Map(), set: new Set() };
cycle.self = cycle;
cycle.list.push(cycle, cycle.list);
cycle.map.set('self', cycle).set(cycle.list, cycle.map);
cycle.set.add(cycle.map).add(cycle.set);
const shared = { n: 1 };
const error = new RangeError('m', { cause: new TypeError('why') });
const sparse = [1, , 3]; // eslint-disable-line no-sparse-arrays
const members = [1, 2];
members.extra = 'x';
const far = [];
far[100000] = 'far';
const bytes = (T) => new T(Array.from({ length: 5 }, (_, i) => i * 50));

const values = {
  undefined, null: null, true: true, false: false,
  zero: 0, minusZero: -0, small: -5, int32: 2147483647, uint32: 4294967295, safe: Number.MAX_SAFE_INTEGER,
  fraction: 0.1, nan: NaN, infinity: -Infinity,
  empty: '', ascii: 'text', latin1: 'é\u00ff', twoByte: 'a€', astral: '😀', zeroByte: 'a\0b', long: 'x€'.repeat(40000),
  bigint: 123456789012345678901234567890n, bigintNegative: -1n, bigintZero: 0n, bigint64: 2n ** 64n,
  date: new Date(1700000000123), dateOld: new Date(-62135596800000), dateMost: new Date(8.64e15), dateNone: new Date(NaN),
  array: [1, 'two', [3], { four: 4 }], arrayEmpty: [], sparse, members, far, arrayUndefined: [undefined, null],
  object: { a: 1, 'é': 2, 3: 'three', '-1': 'm', '1.5': 'f', nested: { deep: {} } }, objectUndefined: { u: undefined },
  map: new Map([['k', 1], [{ o: 1 }, new Map()], [NaN, undefined]]), mapEmpty: new Map(),
  set: new Set([1, '1', { o: 1 }]), setEmpty: new Set(),
  regexp: /a\/b|[^c]/gimsuy, regexpIndices: /x/d, regexpNone: /(?:)/,
  error, errors: [new Error(''), new EvalError('e'), new ReferenceError('r'), new SyntaxError('s'), new URIError('u')],
  boxed: [new Number(1.5), new Number(7), new String('s€'), new Boolean(false), Object(5n)],
  buffer: Buffer.from('buffer'), bufferEmpty: Buffer.alloc(0), arrayBuffer: new Uint8Array([1, 2, 3]).buffer,
  int8: bytes(Int8Array), uint8: bytes(Uint8Array), clamped: bytes(Uint8ClampedArray), int16: bytes(Int16Array), uint16: bytes(Uint16Array),
  int32s: bytes(Int32Array), uint32s: bytes(Uint32Array), float32: bytes(Float32Array), float64: bytes(Float64Array),
  bigint64s: new BigInt64Array([1n, -2n]), biguint64s: new BigUint64Array([2n ** 63n]), part: new Uint16Array(new ArrayBuffer(16), 4, 3),
  dataView: new DataView(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2),
  cycle, shared: [shared, shared],
};
if (Number(process.versions.node.split('.')[0]) >= 20) {
  values.regexpSets = new RegExp('[\\p{L}--[a-z]]', 'v');
  values.resizable = new ArrayBuffer(4, { maxByteLength: 8 });
}
if (typeof Float16Array === 'function') values.float16 = new Float16Array([1, 2.5]);

const same = {
  cycle: (v) => v.self === v && v.list[0] === v && v.list[1] === v.list && v.map.get('self') === v && v.map.get(v.list) === v.map
    && v.set.has(v.set) && v.set.has(v.map),
  shared: (v) => isDeepStrictEqual(v, values.shared) && v[0] === v[1],
  error: (v) => v instanceof RangeError && v.message === 'm' && v.stack === error.stack && v.cause instanceof TypeError && v.cause.message === 'why',
  dateNone: (v) => v instanceof Date && isNaN(v),
  resizable: (v) => v instanceof ArrayBuffer && v.byteLength === 4, // what it may grow to is its owner's affair
};

const names = Object.keys(values);
const bad = [];
let at = 0;
process.on('exit', (c) => c && console.error('died after', names[at]));
const next = () => process.send(at < names.length ? { name: names[at], v: values[names[at]] } : { done: at, bad }, (err) => {
  if (!err) return;
  bad.push(`${names[at]} is not sent: ${err.message}`);
});
process.on('message', (m) => {
  if (m === 'bye') return process.disconnect();
  const name = names[at];
  const check = same[name] || ((v) => isDeepStrictEqual(v, values[name]));
  let ok = false;
  try { ok = check(m); } catch {}
  if (!ok) bad.push(name);
  at++;
  next();
});
next();
