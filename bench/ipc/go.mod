// A module of its own: users of the libraries never see what is only compared with.
module github.com/tendproc/tend/bench/ipc

go 1.26.0

require (
	github.com/go-json-experiment/json v1.27.2
	github.com/tendproc/tend v0.0.0
)

require golang.org/x/sys v0.49.0 // indirect

replace github.com/tendproc/tend => ../..
