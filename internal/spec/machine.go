package spec

// Machine is what resolving must know of the computer it is done for. The
// implementation that asks the operating system is internal/machine; tests
// give their own.
type Machine interface {
	// Stat describes the file at an absolute path, links followed. Its error
	// reads as the reason alone: "no such file or directory".
	Stat(path string) (FileInfo, error)
	// LookPath finds the program name in the folders of pathVar (the form of
	// $PATH) and returns its absolute path.
	LookPath(name, pathVar string) (string, error)
	// ReadFile returns the first 256 KiB of a regular file.
	ReadFile(path string) ([]byte, error)
	// CPUs is how many processes can run at once.
	CPUs() int
	// Home is the home folder of the user tend runs as, for "~".
	Home() string
	// LookupUser finds a user by name or number.
	LookupUser(name string) (User, error)
	// LookupGroup finds a group by name or number.
	LookupGroup(name string) (gid int, err error)
}

// FileInfo is what matters of a file. Readable and Executable say what this
// process may do; for a folder, Executable means it may be entered.
type FileInfo struct {
	Dir        bool
	Readable   bool
	Executable bool
}

// User is an account of the machine.
type User struct {
	UID, GID int
	Home     string
}
