package keeper

// Names of the files in a home.
const (
	SocketName = "tend.sock" // the API
	LockName   = "lock"      // held while keeper or daemon lives
	LogName    = "tend.log"  // what keeper and daemon have to say
	LogsName   = "logs"      // output of the apps
)
