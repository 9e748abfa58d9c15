// Package pm2 is what tend must know to stand in for pm2: the name it is called
// by, the files of a PM2 home, the record of a process and its printed forms. It
// does nothing by itself.
package pm2

import "path/filepath"

// Version is the version of PM2 whose ways are kept. Clients ask for it.
const Version = "7.0.4"

// Name is the name by which tend is PM2.
const Name = "pm2"

// Called says whether a command line, the program's name included, asks for PM2,
// by that name (a link to tend) or as "tend pm2 …", and gives what follows.
func Called(argv []string) (args []string, called bool) {
	if len(argv) == 0 {
		return nil, false
	}
	if filepath.Base(argv[0]) == Name {
		return argv[1:], true
	}
	if len(argv) > 1 && argv[1] == Name {
		return argv[2:], true
	}
	return argv[1:], false
}
