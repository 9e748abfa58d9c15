// A guest in C with no library at all: it answers a number with its square, bytes
// with the same bytes in reverse, and says hello on each port that comes along.
// The number 0 makes it loop for ever.
//
//	clang --target=wasm32 -O2 -nostdlib -Wl,--allow-undefined -o square-c.wasm square.c

#define TEND(name) __attribute__((import_module("tend"), import_name(#name)))

TEND(post) int post(int port, int kind, const void *at, int len);
TEND(next) int next(int port, long long timeout, void *out);
TEND(take) int take(int port, void *at, void *ports);
TEND(close) int close_port(int port);

enum { PARENT = 0, JSON = 0, BYTES = 1, FOREVER = -1 };

struct head { unsigned len, kind, ports; };

static char text[4096];
static unsigned ports[16];

// number reads the digits of a JSON number.
static long long number(const char *at, unsigned len) {
  long long n = 0;
  for (unsigned i = 0; i < len && at[i] >= '0' && at[i] <= '9'; i++) n = n * 10 + at[i] - '0';
  return n;
}

// print writes n before end, and returns where it begins.
static char *print(long long n, char *end) {
  do *--end = '0' + n % 10; while (n /= 10);
  return end;
}

static void reverse(char *at, unsigned len) {
  for (unsigned i = 0; i < len / 2; i++) {
    char c = at[i];
    at[i] = at[len - 1 - i];
    at[len - 1 - i] = c;
  }
}

static void answer(const struct head *m) {
  for (unsigned i = 0; i < m->ports; i++) {
    post(ports[i], JSON, "\"hello\"", 7);
    close_port(ports[i]);
  }
  if (m->kind == BYTES) {
    reverse(text, m->len);
    post(PARENT, BYTES, text, m->len);
    return;
  }
  long long n = number(text, m->len);
  for (volatile int stay = n == 0; stay;) {}
  char digits[24], *end = digits + sizeof digits, *at = print(n * n, end);
  post(PARENT, JSON, at, end - at);
}

void _start(void) {
  struct head m;
  while (next(PARENT, FOREVER, &m) == 0) {
    if (m.len > sizeof text || m.ports > sizeof ports / sizeof *ports) __builtin_trap();
    if (take(PARENT, text, ports) != 0) return;
    answer(&m);
  }
}
