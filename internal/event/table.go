package event

import (
	"time"

	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/spec"
)

// Table is a snapshot as far as tables show it: it is soon told and soon read.
type Table struct {
	At   time.Time `json:"at"`
	Rows []row     `json:"instances"` // by id
}

// row is an instance, with the words of [Instance].
type row struct {
	ID        int             `json:"id"`
	App       string          `json:"app"`
	Namespace string          `json:"namespace"`
	Mode      spec.Mode       `json:"mode"`
	Phase     lifecycle.Phase `json:"phase"`
	PID       int             `json:"pid"`
	StartedAt time.Time       `json:"started_at,omitzero"`
	Restarts  int             `json:"restarts"`
	Reason    string          `json:"reason,omitempty"`
	Version   string          `json:"version,omitempty"`
	Module    string          `json:"module,omitempty"`
	Held      bool            `json:"held,omitempty"`
	Standby   bool            `json:"standby,omitempty"`
	Watch     bool            `json:"watch,omitempty"`
	User      string          `json:"user,omitempty"`
	Usage     *Usage          `json:"usage,omitempty"`
}

// Table is what tables show of it.
func (s *Snapshot) Table() Table {
	t := Table{At: s.At, Rows: make([]row, len(s.Instances))}
	for i, in := range s.Instances {
		t.Rows[i] = row{
			in.ID, in.App, in.Namespace, in.Mode, in.Phase, in.PID, in.StartedAt, in.Restarts,
			in.Reason, in.Version, in.Module, in.Held, in.Standby, in.Watch, in.User, in.Usage,
		}
	}
	return t
}

// Snapshot is what is known from the table.
func (t *Table) Snapshot() Snapshot {
	s := Snapshot{At: t.At, Instances: make([]Instance, len(t.Rows))}
	for i, r := range t.Rows {
		s.Instances[i] = Instance{
			ID: r.ID, App: r.App, Namespace: r.Namespace, Mode: r.Mode, Phase: r.Phase, PID: r.PID, StartedAt: r.StartedAt, Restarts: r.Restarts,
			Reason: r.Reason, Version: r.Version, Module: r.Module, Held: r.Held, Standby: r.Standby, Watch: r.Watch, User: r.User, Usage: r.Usage,
		}
	}
	return s
}
