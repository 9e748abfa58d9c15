// Package loadgen sends HTTP requests from many clients at once and tells what
// became of each: answered, refused, reset, cut off, timed out or answered
// wrongly, on a fresh connection or on one that had served before.
//
// It speaks just enough HTTP/1.1 to be cheap, so that on a small machine the
// servers are measured and not the client. Nothing is retried: a request that a
// real client would have had to send again counts as failed. A connection that
// the server announced to close is replaced without counting anything.
package loadgen
