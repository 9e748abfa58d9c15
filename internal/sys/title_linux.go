package sys

import "os"

// SetTitle sets the short name of this process, as ps -o comm, top and pgrep
// show it. The kernel keeps 15 bytes.
func SetTitle(name string) error {
	f, err := os.OpenFile("/proc/self/comm", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(name)
	return err
}
