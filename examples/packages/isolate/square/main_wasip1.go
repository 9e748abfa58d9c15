package main

import "github.com/tendproc/tend/isolate/guest"

// The program inside: it squares numbers; 0 makes it loop for ever.
func main() {
	for {
		m, err := guest.Parent.Receive(guest.Forever)
		if err != nil {
			return
		}
		var n int
		if m.Decode(&n) != nil {
			continue
		}
		for n == 0 {
		}
		if guest.Parent.Post(n*n) != nil {
			return
		}
	}
}
