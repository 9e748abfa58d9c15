// A program that never ends by itself, for an isolate.
package main

import "fmt"

func main() {
	fmt.Println("looping")
	for i := 0; ; i++ { // for ever
	}
}
