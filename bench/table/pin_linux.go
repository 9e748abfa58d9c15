package main

import "golang.org/x/sys/unix"

// pin keeps this thread on one processor, the first it may use.
func pin() (release func(), err error) {
	var was, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &was); err != nil {
		return nil, err
	}
	for cpu := range 1024 {
		if was.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	return func() { unix.SchedSetaffinity(0, &was) }, unix.SchedSetaffinity(0, &one)
}
