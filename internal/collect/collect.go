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
	"maps"
	"slices"
	"sync"
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
	Feeds   []source.Feed

	// Bounds choose the log files that are read. Feeds and queues have
	// bounds of their own.
	Bounds source.Bounds

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

	// Stop, when closed, makes the run end soon: no further log file is begun,
	// what was read is stored, and the rest is left to the next run.
	Stop <-chan struct{}

	// NoDerive leaves the days marked, for a later run to derive.
	NoDerive bool

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
	StageFeeds   = "feeds" // whose end is not known: Total is -1
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
	if o.DryRun {
		return r.sum, r.foresee(ctx)
	}
	if err := r.openEntrance(ctx); err != nil {
		return r.sum, err
	}
	if err := r.read(ctx); err != nil {
		return r.sum, err
	}
	if err := r.readFeeds(ctx); err != nil {
		return r.sum, err
	}
	soon, cancel := r.untilStopped(ctx)
	defer cancel()
	err := r.finish(soon)
	if err != nil && ctx.Err() == nil && r.stopped() {
		err = nil // what was under way is left to the next run, as it is when a run is killed
	}
	r.sum.Stopped = r.stopped()
	if err != nil {
		return r.sum, err
	}
	if err := r.finishFeeds(ctx); err != nil {
		return r.sum, err
	}
	return r.sum, r.finishSources(ctx)
}

// finish asks for details and derives the marked days.
func (r *run) finish(ctx context.Context) error {
	if err := r.details(ctx); err != nil {
		return err
	}
	if r.NoDerive {
		return nil
	}
	builder := &rebuild.Builder{Lake: r.Lake, Settings: r.Settings, Jobs: r.Jobs}
	total := int64(-1)
	builder.Done = func(_ athenatrail.Partition, remaining int) {
		r.sum.Derived++
		if total < 0 {
			total = int64(remaining) + 1
		}
		r.progress(Progress{Stage: StageDerive, Done: total - int64(remaining), Total: total})
	}
	if _, err := builder.Marked(ctx); err != nil {
		return err
	}
	more, err := r.references(ctx, builder.Seen())
	if err != nil {
		return err
	}
	if more {
		total = -1
		if _, err := builder.Marked(ctx); err != nil {
			return err
		}
	}
	return r.catalog(ctx, builder.Seen())
}

// A run is one run under way.
type run struct {
	Options
	issues   *rebuild.Issues
	entrance entrance

	mu      sync.Mutex // guards what follows while log files are read
	sum     *Summary
	sources []*sourceState
	feeds   []source.FeedState
}

func (r *run) locked(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do()
}

// stopped reports whether the run is to end soon.
func (r *run) stopped() bool {
	select {
	case <-r.Stop:
		return true
	default:
		return false
	}
}

// untilStopped returns a context that ends when the run is to end soon.
func (r *run) untilStopped(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if r.Stop != nil {
		go func() {
			select {
			case <-r.Stop:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	return ctx, cancel
}

func (r *run) progress(p Progress) {
	if r.Progress != nil {
		r.Progress(p)
	}
}

// A Summary is what a run did.
type Summary struct {
	DryRun  bool
	Asking  bool  // Athena was, or would be, asked
	Stopped bool  // before all was done
	Left    int64 // log files that were listed and, being stopped, not read

	Listed    int64 // log files seen
	Known     int64 // of them, read before and not changed
	ToRead    int64
	ToReadLen int64 // bytes of those to read, as delivered
	Read      int64
	ReadLen   int64
	Inflated  int64
	Unread    int64 // could not be fetched
	Damaged   int64 // fetched, but not whole or not decodable in places

	Pages int64 // of feeds

	Records     int64
	Candidates  int64
	Kept        int64
	Dropped     int64
	Undecodable int64

	Changed  int64            // facts that were new or better than those held
	Wanted   int64            // ids to ask Athena for
	Outcomes map[string]int64 // of asking, by outcome; and not_asked
	Derived  int64            // days derived

	Foreseen Foresight // of a dry run
	Waiting  int64     // messages in queues, as a dry run finds them

	Triggered int64 // executions asked for because a message said that they changed
	More      bool  // a queue has, or may have, further messages

	Problems []string // what could not be read, asked or decoded; each names its file, at most maxProblems
	Further  int64    // problems beyond those
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
		s.Further++
	}
}

// Plus returns what two runs did together. A nil Summary is that of no run.
func (s *Summary) Plus(t *Summary) *Summary {
	if s == nil {
		return t
	}
	sum := *t
	for _, n := range [][2]*int64{
		{&sum.Left, &s.Left}, {&sum.Listed, &s.Listed}, {&sum.Known, &s.Known}, {&sum.ToRead, &s.ToRead}, {&sum.ToReadLen, &s.ToReadLen},
		{&sum.Read, &s.Read}, {&sum.ReadLen, &s.ReadLen}, {&sum.Inflated, &s.Inflated}, {&sum.Unread, &s.Unread}, {&sum.Damaged, &s.Damaged},
		{&sum.Pages, &s.Pages}, {&sum.Records, &s.Records}, {&sum.Candidates, &s.Candidates}, {&sum.Kept, &s.Kept}, {&sum.Dropped, &s.Dropped},
		{&sum.Undecodable, &s.Undecodable}, {&sum.Changed, &s.Changed}, {&sum.Wanted, &s.Wanted}, {&sum.Derived, &s.Derived},
		{&sum.Waiting, &s.Waiting}, {&sum.Triggered, &s.Triggered}, {&sum.Further, &s.Further},
	} {
		*n[0] += *n[1]
	}
	sum.Outcomes = maps.Clone(t.Outcomes)
	for outcome, n := range s.Outcomes {
		sum.Outcomes[outcome] += n
	}
	sum.Problems = nil
	for _, problem := range slices.Concat(s.Problems, t.Problems) {
		sum.problem("%s", problem)
	}
	return &sum
}
