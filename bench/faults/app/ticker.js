// Writes numbered lines, each in two pieces.
let n = 0;
function begin() {
  process.stdout.write('line ' + n++ + ' begins');
  setTimeout(end, 3);
}
function end() {
  process.stdout.write(' and ends\n');
  setTimeout(begin, 7);
}
begin();
