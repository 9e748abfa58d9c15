// App says that it runs, and waits for SIGINT.
package main

import (
	"log"
	"os"
	"os/signal"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	f, err := os.OpenFile(os.Getenv("BENCH_RAN"), os.O_WRONLY, 0)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := f.WriteString("x"); err != nil {
		log.Fatal(err)
	}
	f.Close()
	<-stop
}
