package sys

import "golang.org/x/sys/unix"

// DiskUse is how much of the file system at path is used, and its size; 0 where that
// is not told.
func DiskUse(path string) (used, size uint64) {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) != nil {
		return 0, 0
	}
	block := uint64(st.Bsize)
	return (st.Blocks - st.Bfree) * block, st.Blocks * block
}
