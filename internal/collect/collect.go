// Package collect is the pump: it lists log files, reads the new ones, stores
// their facts, asks Athena for details, and derives the days concerned.
//
// The order of the writes makes a run safe to kill at any moment: facts, then
// marks on the days that they concern, then the ledger's row of the log file,
// then the details, which are facts too, and at last the tables. What was not
// finished is still marked, or not in the ledger, and the next run does it.
package collect

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/rebuild"
	"github.com/athenatrail/athenatrail/internal/redact"
	"github.com/athenatrail/athenatrail/internal/source"
)

// Options say what a run reads and where it puts it.
type Options struct {
	Lake    *lake.Lake
	Ledger  *ledger.Ledger
	Sources []source.Source

	// From and To bound the delivery of the log files that are read; the zero
	// time leaves an end open.
	From, To time.Time

	// Lookback is how late a log file may be delivered and still be found by
	// a run that lists a bucket from where the last one came to.
	Lookback time.Duration

	// QueryText is what of SQL is stored. The zero value is redact.Full.
	QueryText redact.Mode

	Limits   cloudtrail.Limits
	Settings *derive.Settings
	Details  Details // nil: Athena is not asked

	References *References // nil: nothing is asked about accounts, work groups and users
	Jobs       int         // log files read, and days derived, side by side

	// Now is the run's clock, read once: executions older than Athena's
	// history are not asked for.
	Now time.Time

	// RunID names the run's marks. No two runs may share it.
	RunID string

	DryRun   bool
	Progress func(Progress) // may be nil; called often, by several goroutines
	Log      *slog.Logger
}

// A Progress is how far a run has come.
type Progress struct {
	Stage       string // one of the Stage constants
	Done, Total int64  // log files, ids or days
	Bytes       int64  // of log files read, as delivered
}

// The stages of a run, in their order.
const (
	StageRead    = "read"
	StageDetails = "details"
	StageDerive  = "derive"
)

// Run does one run. The error is for what could not be done at all; what was
// done incompletely is in the summary.
func Run(ctx context.Context, o Options) (*Summary, error) {
	o.Jobs = max(1, o.Jobs)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &run{Options: o, issues: rebuild.NewIssues(o.Lake), sum: &Summary{Outcomes: map[string]int64{}, DryRun: o.DryRun, Asking: o.Details != nil}}
	if err := r.list(ctx); err != nil {
		return r.sum, err
	}
	if o.DryRun {
		return r.sum, r.wouldAsk(ctx)
	}
	if err := r.openEntrance(ctx); err != nil {
		return r.sum, err
	}
	if err := r.read(ctx); err != nil {
		return r.sum, err
	}
	if err := r.details(ctx); err != nil {
		return r.sum, err
	}
	builder := &rebuild.Builder{Lake: o.Lake, Settings: o.Settings, Jobs: o.Jobs}
	total := int64(-1)
	builder.Done = func(_ athenatrail.Partition, remaining int) {
		r.sum.Derived++
		if total < 0 {
			total = int64(remaining) + 1
		}
		r.progress(Progress{Stage: StageDerive, Done: total - int64(remaining), Total: total})
	}
	if _, err := builder.Marked(ctx); err != nil {
		return r.sum, err
	}
	if more, err := r.references(ctx, builder.Seen()); err != nil {
		return r.sum, err
	} else if more {
		total = -1
		if _, err := builder.Marked(ctx); err != nil {
			return r.sum, err
		}
	}
	return r.sum, r.finishSources(ctx)
}

// A run is one run under way.
type run struct {
	Options
	sum      *Summary
	issues   *rebuild.Issues
	entrance entrance
	work     []job // log files to read, by day of delivery
	sources  []*sourceState
}

func (r *run) progress(p Progress) {
	if r.Progress != nil {
		r.Progress(p)
	}
}

// A Summary is what a run did.
type Summary struct {
	DryRun bool
	Asking bool // Athena was, or would be, asked

	Listed    int64 // log files seen
	Known     int64 // of them, read before and not changed
	ToRead    int64
	ToReadLen int64 // bytes of those to read, as delivered
	Read      int64
	ReadLen   int64
	Inflated  int64
	Unread    int64 // could not be fetched
	Damaged   int64 // fetched, but not whole or not decodable in places

	Records     int64
	Candidates  int64
	Kept        int64
	Dropped     int64
	Undecodable int64

	Changed  int64            // facts that were new or better than those held
	Wanted   int64            // ids to ask Athena for
	Outcomes map[string]int64 // of asking, by outcome; and not_asked
	Derived  int64            // days derived

	Problems []string // what could not be read, asked or decoded; each names its file, at most maxProblems
	More     int64    // problems beyond those
}

// maxProblems bounds how many problems a summary names; all are counted, and
// `report health` lists the log files concerned.
const maxProblems = 20

// Incomplete reports whether something asked for could not be read, asked or
// decoded in this run.
func (s *Summary) Incomplete() bool { return len(s.Problems) > 0 }

func (s *Summary) problem(format string, args ...any) {
	if len(s.Problems) < maxProblems {
		s.Problems = append(s.Problems, fmt.Sprintf(format, args...))
	} else {
		s.More++
	}
}
