// Linked does nothing either, but has in it what a client and server of HTTP need.
package main

import (
	"net/http"
	"os"
)

func main() {
	if len(os.Args) > 1 {
		panic(http.ListenAndServe(os.Args[1], nil))
	}
}
