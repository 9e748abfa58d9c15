package static

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/tendproc/tend/cluster"
)

// Program, as the first argument, makes this program a static server: see [Run].
const Program = "static-server"

// Variables that say what [Run] serves; PM2 has the same.
const (
	VarPath     = "PM2_SERVE_PATH" // the folder; default "."
	VarPort     = "PM2_SERVE_PORT" // default 8080
	VarHost     = "PM2_SERVE_HOST" // default 0.0.0.0
	VarSPA      = "PM2_SERVE_SPA"  // "true"
	VarList     = "PM2_SERVE_FTP"  // "true"
	VarHome     = "PM2_SERVE_HOMEPAGE"
	VarAuth     = "PM2_SERVE_BASIC_AUTH"
	VarUsername = "PM2_SERVE_BASIC_AUTH_USERNAME"
	VarPassword = "PM2_SERVE_BASIC_AUTH_PASSWORD"
)

const (
	headerTime = 30 * time.Second // a client has to ask for something
	grace      = 8 * time.Second  // to finish what it gets when the server leaves
)

// Run serves the site that the variables describe, as a worker of a cluster where
// it is one, until ctx is done, SIGINT or SIGTERM comes or the primary tells it to go.
// Those that have begun get their answers.
func Run(ctx context.Context, getenv func(string) string) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	site := Site{Dir: or(getenv(VarPath), "."), SPA: getenv(VarSPA) == "true", List: getenv(VarList) == "true", Home: getenv(VarHome)}
	if getenv(VarAuth) == "true" {
		site.Username, site.Password = getenv(VarUsername), getenv(VarPassword)
		if site.Username == "" {
			return fmt.Errorf("%s and %s: basic auth needs both", VarUsername, VarPassword)
		}
	}
	h, err := New(site)
	if err != nil {
		return err
	}
	defer h.Close()
	port := or(getenv(VarPort), "8080")
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%s: %q is not a port: give a number up to 65535", VarPort, port)
	}
	l, err := cluster.Listen("tcp", net.JoinHostPort(or(getenv(VarHost), "0.0.0.0"), port))
	if err != nil {
		return err
	}
	return cluster.ServeHTTP(ctx, &http.Server{Handler: h, ReadHeaderTimeout: headerTime}, l, grace)
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
