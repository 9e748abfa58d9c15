// The long computation of the article: 0 + 1 + 2 + … + n-1.
exports.sum = function sum(n) {
  let total = 0;
  for (let i = 0; i < n; i++) total += i;
  return total;
};
