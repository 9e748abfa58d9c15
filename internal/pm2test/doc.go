// Package pm2test drives tend, called pm2, and PM2 itself through the same command
// lines and compares what one can see of them: exit codes, data on standard
// output, every field of the list, files, and what the apps were told.
//
// What PM2 did is kept in testdata and recorded anew with
//
//	go run ./internal/tools/testenv go test ./internal/pm2test -record
//
// A short script is run against PM2 itself each time. Differences that are meant
// stand in one table, with their reasons; docs/pm2-differences.md is made of it.
package pm2test
