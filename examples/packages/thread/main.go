package main

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/tendproc/tend/thread"
)

// A thread that counts words until there is no more text, and one that panics.
func main() {
	ctx := context.Background()
	counter, err := thread.New(count, thread.Options{Name: "counter"})
	if err != nil {
		log.Fatal(err)
	}
	if err := counter.Start(ctx); err != nil {
		log.Fatal(err)
	}
	for _, text := range []string{"to be or not to be", "that is the question"} {
		if err := counter.Post(text); err != nil {
			log.Fatal(err)
		}
	}
	counter.CloseWrite()
	report(ctx, counter)

	broken, err := thread.New(func(context.Context, *thread.Self) error { panic("out of luck") }, thread.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := broken.Start(ctx); err != nil {
		log.Fatal(err)
	}
	report(ctx, broken)
}

func count(ctx context.Context, self *thread.Self) error {
	words := map[string]int{}
	for m, err := range self.Port().Messages(ctx) {
		if err != nil {
			return err
		}
		for _, w := range strings.Fields(m.(string)) {
			words[w]++
		}
	}
	return self.Port().Post(words) // a copy of the map
}

func report(ctx context.Context, t *thread.Thread) {
	for ev := range t.Events(ctx) {
		switch ev := ev.(type) {
		case thread.Message:
			fmt.Println("message", ev.Value)
		case thread.Failed:
			fmt.Println("failed", ev.Err)
		case thread.Exited:
			fmt.Println("exited with", ev.Exit.Code)
		case thread.Online, thread.BadMessage:
		}
	}
}
