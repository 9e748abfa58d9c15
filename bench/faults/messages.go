package main

import "context"

func messages(ctx context.Context, b *bench) error { return nil }
