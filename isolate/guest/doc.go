// Package guest is for Go programs that run in an isolate: message ports with
// types, over the host functions that package isolate describes. It exists for
// wasip1 only:
//
//	GOOS=wasip1 GOARCH=wasm go build -o app.wasm .
//
//	func main() {
//		for {
//			m, err := guest.Parent.Receive(guest.Forever)
//			if err != nil {
//				return // io.EOF: no more work
//			}
//			var n int
//			if err := m.Decode(&n); err != nil { … }
//			guest.Parent.Post(n * n)
//		}
//	}
//
// A call that waits stops the whole program, all its goroutines: a module has one
// thread.
package guest
