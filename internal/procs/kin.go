package procs

import (
	"cmp"
	"slices"
)

// kin knows who is whose child, and asks again only what may be otherwise: who has
// the inode in /proc that it had is the same process, and has the same parent as
// long as that is there. The zero value is ready. It is not for concurrent use.
type kin struct {
	r         Reader
	now, past []relative // by pid
	asked     []int      // who is to be read
	table     Table
}

// relative is a process as far as it is known.
type relative struct {
	pid, ppid int32
	inode     uint64
	known     bool // ppid is
	read      bool // this time
	below     bool // below one of the roots, or one of them
}

// below reads the trees below roots. Of the others it reads only who is new, and
// who has lost its parent. The table is valid until the next call.
func (k *kin) below(roots []int) (*Table, error) {
	if err := k.list(); err != nil {
		return nil, err
	}
	k.table.stats = k.table.stats[:0]
	k.unsure()
	k.read()
	for k.unread(roots); len(k.asked) > 0; k.unread(roots) {
		k.read()
	}
	k.table.sort()
	return &k.table, nil
}

// trim gives back the room that only the first look needs.
func (k *kin) trim() {
	if n := len(k.now); n > 64 && len(k.table.stats) > n/2 {
		k.table, k.asked = Table{}, nil
	}
}

// list lists who there is, with what was known of them.
func (k *kin) list() error {
	k.now, k.past = k.past[:0], k.now
	if err := k.r.each(func(pid int, inode uint64) {
		k.now = append(k.now, relative{pid: int32(pid), inode: inode})
	}); err != nil {
		return err
	}
	slices.SortFunc(k.now, func(a, b relative) int { return cmp.Compare(a.pid, b.pid) })
	for i := range k.now {
		one := &k.now[i]
		if was := find(k.past, one.pid); was != nil && was.known && was.inode == one.inode {
			one.known, one.ppid = true, was.ppid
		}
	}
	return nil
}

// find is the process with that number, nil for none.
func find(list []relative, pid int32) *relative {
	at, ok := slices.BinarySearchFunc(list, pid, func(a relative, pid int32) int { return cmp.Compare(a.pid, pid) })
	if !ok {
		return nil
	}
	return &list[at]
}

// unsure asks for those whose parent is not known for certain.
func (k *kin) unsure() {
	k.asked = k.asked[:0]
	for _, one := range k.now {
		if parent := find(k.now, one.ppid); !one.known || one.ppid > 0 && (parent == nil || !parent.known) {
			k.asked = append(k.asked, int(one.pid))
		}
	}
}

// unread asks for those in the trees of roots that were not read this time.
func (k *kin) unread(roots []int) {
	k.asked = k.asked[:0]
	for _, pid := range roots {
		if one := find(k.now, int32(pid)); one != nil {
			one.below = true
		}
	}
	for again := true; again; { // parents mostly have lower numbers
		again = false
		for i := range k.now {
			one := &k.now[i]
			if parent := find(k.now, one.ppid); !one.below && parent != nil && parent.below {
				one.below, again = true, true
			}
		}
	}
	for _, one := range k.now {
		if one.below && !one.read {
			k.asked = append(k.asked, int(one.pid))
		}
	}
}

// read reads who is asked for.
func (k *kin) read() {
	for _, pid := range k.asked {
		one := find(k.now, int32(pid))
		one.read, one.known = true, false // until it is found to be there
	}
	before := len(k.table.stats)
	k.table.stats = k.r.stats(k.table.stats, k.asked)
	for _, s := range k.table.stats[before:] {
		one := find(k.now, int32(s.PID))
		one.known, one.ppid = true, int32(s.PPID)
	}
}
