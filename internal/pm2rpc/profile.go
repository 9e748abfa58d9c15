package pm2rpc

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/pm2"
)

// profileTime is how long a profile takes when nothing is said of it.
const profileTime = 5 * time.Second

// profile measures the daemon, which writes the file. What hinders it is an answer, as
// with PM2, and not an error.
func profile(kind string) method {
	return func(s *Server, ctx context.Context, a argument) (any, error) {
		if !filepath.IsAbs(a.Pwd) {
			return nil, &fault.Error{Code: fault.Invalid, Field: "pwd", Message: fmt.Sprintf("%q is no absolute path", a.Pwd), Remedy: "Name the file that the profile is to be written to."}
		}
		length := profileTime
		if ms, err := strconv.ParseFloat(strings.Trim(string(a.Timeout), `"`), 64); err == nil {
			length = time.Duration(max(ms, 0) * float64(time.Millisecond))
		}
		measured, err := s.Service.Profile(ctx, api.ProfileRequest{Kind: kind, For: length})
		if err == nil {
			err = pm2.Replace(a.Pwd, measured.Data)
		}
		if err != nil {
			return map[string]string{"error": err.Error()}, nil
		}
		return map[string]string{"file": a.Pwd}, nil
	}
}
