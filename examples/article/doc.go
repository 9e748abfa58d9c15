// Package article holds small programs, in Node and in Go, for what the founding
// article describes: each folder is one of its systems, each program is run by
// a test of this package.
//
//	s1-compute   a long computation blocks the server; a forked child does not
//	s1-pool      the same with a pool of workers: processes in Go or Node, or threads
//	s2-process   what a program knows of itself, and the ways it can end
//	s3-start     spawn, exec, execFile, fork
//	s4-cluster   one port, many workers
//	s5-channel   messages between parent and child, Go and Node either way
//	s6-handles   sockets that travel with a message, Go and Node either way
//	s7-guard     a master that keeps its workers alive, and a worker that announces its end
//	s10-ending   find processes, end them, leave nobody behind
//	s11-threads  as many tasks at once as libuv has threads
//	s12-threads  worker threads: copies, ports, errors, exit codes, an end for a loop
//	own-cluster  programs that use cluster or fork themselves, under tend
package article
