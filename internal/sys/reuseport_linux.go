package sys

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cBPF: offsets of the ancillary data area (linux/filter.h).
const (
	skfAdOff    = 0xfffff000 // SKF_AD_OFF as unsigned
	skfAdRandom = 56         // SKF_AD_RANDOM
)

// Steer makes the SO_REUSEPORT group of the socket fd give each new connection
// to a random one of the sockets named in live, by their number in the group:
// the order in which they began to listen. It replaces what was attached
// before and needs no privilege. Closing a socket of the group renumbers it.
func Steer(fd int, live []int) error {
	program := steering(live)
	return os.NewSyscallError("setsockopt", unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET,
		unix.SO_ATTACH_REUSEPORT_CBPF, &unix.SockFprog{
			Len:    uint16(len(program)),
			Filter: (*unix.SockFilter)(unsafe.Pointer(&program[0])),
		}))
}

func steering(live []int) []unix.SockFilter {
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: skfAdOff + skfAdRandom},
		{Code: unix.BPF_ALU | unix.BPF_MOD | unix.BPF_K, K: uint32(len(live))},
	}
	for i, socket := range live {
		program = append(program,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 0, Jf: 1, K: uint32(i)},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: uint32(socket)},
		)
	}
	return append(program, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: uint32(live[0])})
}
