// Package pm2 is what tend must know to stand in for pm2: the name it is called
// by, the files of a PM2 home, the record of a process and its printed forms. It
// does nothing by itself.
package pm2

import "path/filepath"

// Version is the version of PM2 whose ways are kept. Clients ask for it.
const Version = "7.0.4"

// Names by which tend is PM2.
const (
	Name        = "pm2"
	RuntimeName = "pm2-runtime" // in the foreground, for containers
	DockerName  = "pm2-docker"  // the same
	DevName     = "pm2-dev"     // in the foreground, for those who write an app
)

// Called says by which of its names a command line, the program's own included, asks
// for PM2, by a link to tend or as "tend pm2 …", and gives what follows: "" for none.
func Called(argv []string) (args []string, name string) {
	for i, word := range argv[:min(2, len(argv))] {
		if i == 0 {
			word = filepath.Base(word)
		}
		switch word {
		case DockerName:
			return argv[i+1:], RuntimeName
		case Name, RuntimeName, DevName:
			return argv[i+1:], word
		}
	}
	if len(argv) == 0 {
		return nil, ""
	}
	return argv[1:], ""
}
