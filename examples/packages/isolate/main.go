package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/tendproc/tend/isolate"
)

// The program outside: it lends its guest 32 MiB and two seconds.
func main() {
	wasm, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	m, err := isolate.Compile(ctx, wasm, isolate.Config{MemoryLimit: 32 << 20})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close(ctx)
	t, err := m.New(isolate.Options{Stderr: os.Stderr})
	if err != nil {
		log.Fatal(err)
	}
	limited, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := t.Start(limited); err != nil {
		log.Fatal(err)
	}
	t.Post(12)
	square, err := t.Receive(ctx)
	fmt.Println("12 squared:", square, err)
	t.Post(0)
	fmt.Println(t.Wait(ctx))
}
