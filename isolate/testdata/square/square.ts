// The guest of square.c in AssemblyScript: it answers a number with its square, bytes
// with the same bytes in reverse, and says hello on each port that comes along. The
// number 0 makes it loop for ever.
//
//	npx asc square.ts -o square-as.wasm -O --runtime stub --use abort=

@external("tend", "post") declare function post(port: i32, kind: i32, at: usize, len: i32): i32;
@external("tend", "next") declare function next(port: i32, timeout: i64, out: usize): i32;
@external("tend", "take") declare function take(port: i32, at: usize, ports: usize): i32;
@external("tend", "close") declare function close(port: i32): i32;

const PARENT = 0, JSON = 0, BYTES = 1;
const FOREVER: i64 = -1;

const head = memory.data(12); // length, kind, number of ports
const text = memory.data(4096);
const ports = memory.data(64);

function answer(len: i32, kind: i32, count: i32): void {
  const hello = String.UTF8.encode('"hello"');
  for (let i = 0; i < count; i++) {
    const port = load<i32>(ports + 4 * i);
    post(port, JSON, changetype<usize>(hello), hello.byteLength);
    close(port);
  }
  if (kind == BYTES) {
    for (let i = 0; i < len / 2; i++) {
      const c = load<u8>(text + i);
      store<u8>(text + i, load<u8>(text + len - 1 - i));
      store<u8>(text + len - 1 - i, c);
    }
    post(PARENT, BYTES, text, len);
    return;
  }
  const n = I64.parseInt(String.UTF8.decodeUnsafe(text, len));
  while (n == 0) {}
  const square = String.UTF8.encode((n * n).toString());
  post(PARENT, JSON, changetype<usize>(square), square.byteLength);
}

export function _start(): void {
  while (next(PARENT, FOREVER, head) == 0) {
    const len = load<i32>(head), kind = load<i32>(head + 4), count = load<i32>(head + 8);
    if (len > 4096 || count > 16) unreachable();
    if (take(PARENT, text, ports) != 0) return;
    answer(len, kind, count);
  }
}
