package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/source"
)

// A job is one log file to read.
type job struct {
	source.Object
	from *sourceState
}

// A sourceState is what a run learns of one source.
type sourceState struct {
	source.Source
	unlisted     bool // wholly or in part
	unread       int64
	oldestUnread time.Time
	newest       time.Time // delivery or event time of what was read, or is known
}

func (s *sourceState) sawDelivered(t time.Time) {
	if t.After(s.newest) {
		s.newest = t
	}
}

// missed notes a log file that could not be fetched.
func (s *sourceState) missed(o source.Object) {
	s.unread++
	if t := o.Delivered; !t.IsZero() && (s.oldestUnread.IsZero() || t.Before(s.oldestUnread)) {
		s.oldestUnread = t
	}
}

// listedAtOnce is how many log files are listed before those found so far are
// read: what is listed takes some 300 bytes each until it has been read.
const listedAtOnce = 20_000

// maxAhead and maxShardsAhead bound how many log files, and of how many of the
// ledger's files, are listed before the ledger is asked for the first.
const (
	maxAhead       = 4096
	maxShardsAhead = 64
)

// list finds the log files that the ledger does not know, and gives them to
// take in parts, in the order in which they are best read. It ends early, with
// no error, when the run is stopped.
func (r *run) list(ctx context.Context, take func([]job) error) error {
	read := r.Ledger.Lookup()
	before, err := r.Ledger.Sources(ctx)
	if err != nil {
		return err
	}
	var part []job
	send := func() error {
		if len(part) == 0 {
			return nil
		}
		sortJobs(part)
		jobs := part
		part = nil
		return take(jobs)
	}
	for _, src := range r.Sources {
		state := &sourceState{Source: src}
		r.sources = append(r.sources, state)
		listed := 0
		var failures []error
		bounds := r.Bounds
		bounds.From = r.listFrom(src, before)
		look := func(o source.Object) error {
			known, err := read.Known(ctx, place(o), o.Key, o.ETag)
			if err != nil {
				return fmt.Errorf("read the ledger: %w", err)
			}
			r.locked(func() {
				r.sum.Listed++
				if known {
					r.sum.Known++
					state.sawDelivered(o.Delivered)
					return
				}
				r.sum.ToRead++
				r.sum.ToReadLen += max(0, o.Size)
			})
			if known {
				r.settle(ctx, job{o, state}, nil)
				return nil
			}
			if part = append(part, job{o, state}); len(part) == listedAtOnce {
				return send()
			}
			return nil
		}
		// What the ledger knows is read ahead of being looked at.
		var ahead []source.Object
		shards := 0 // runs of log files of one shard among them
		stopped := false
		for o, err := range src.List(ctx, bounds) {
			if stopped = r.stopped(); stopped {
				r.locked(func() { state.unlisted = true })
				break
			}
			if err != nil {
				failures = append(failures, err)
				continue
			}
			listed++
			if len(ahead) == 0 || place(o) != place(ahead[len(ahead)-1]) {
				shards++
			}
			ahead = append(ahead, o)
			read.Expect(ctx, place(o), o.Key)
			for len(ahead) > maxAhead || shards > maxShardsAhead {
				if err := look(ahead[0]); err != nil {
					return err
				}
				if place(ahead[0]) != place(ahead[1]) {
					shards--
				}
				ahead = ahead[1:]
			}
		}
		for _, o := range ahead {
			if err := look(o); err != nil {
				return err
			}
		}
		if stopped {
			return send()
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		unlisted := slices.ContainsFunc(failures, func(err error) bool { return !errors.Is(err, source.ErrUnread) })
		if listed == 0 && unlisted && len(r.Sources) == 1 && len(r.Feeds) == 0 {
			return errors.Join(failures...)
		}
		r.locked(func() {
			for _, err := range failures {
				r.sum.problem("%v%s", err, hintOf(err))
			}
			state.unlisted = state.unlisted || unlisted
		})
	}
	return send()
}

// sortJobs brings the log files of one account, region and day together, so
// that a partition's facts come together and its file is written few times.
func sortJobs(jobs []job) {
	slices.SortStableFunc(jobs, func(a, b job) int {
		return cmp.Or(
			cmp.Compare(athenatrail.DateOf(a.Delivered), athenatrail.DateOf(b.Delivered)),
			strings.Compare(a.Account, b.Account),
			strings.Compare(a.Region, b.Region),
			a.Delivered.Compare(b.Delivered),
			strings.Compare(a.Key, b.Key),
		)
	})
}

// settle tells a queue how an object of it fared. A queue that cannot be told
// announces the object again, which does no harm.
func (r *run) settle(ctx context.Context, j job, fared error) {
	queue, ok := j.from.Source.(source.Queue)
	if !ok {
		return
	}
	if err := queue.Settle(ctx, j.Object, fared); err != nil && ctx.Err() == nil {
		r.locked(func() { r.sum.problem("%v", err) })
	}
}

// listFrom returns from when on a source's log files are listed. A bucket is
// listed from where the last run came to, less the look-back: names sort by
// the time of delivery, but late log files sort before the last one read. A
// folder is listed whole, which costs nothing.
func (r *run) listFrom(src source.Source, before []ledger.Source) time.Time {
	if !r.Bounds.From.IsZero() || !strings.HasPrefix(src.Name(), "s3://") {
		return r.Bounds.From
	}
	i := slices.IndexFunc(before, func(s ledger.Source) bool { return s.Name == src.Name() })
	if i < 0 || before[i].NewestDelivered.IsZero() {
		return r.Bounds.From
	}
	from := before[i].NewestDelivered
	if unread := before[i].OldestUnread; before[i].Unread > 0 {
		if unread.IsZero() {
			return r.Bounds.From // what was missed has a name that does not tell when
		}
		if unread.Before(from) {
			from = unread
		}
	}
	return from.Add(-r.Lookback)
}

// place tells where the ledger keeps a log file's row.
func place(o source.Object) ledger.Shard {
	if o.Account == "" || o.Region == "" || o.Delivered.IsZero() {
		return ledger.Shard{}
	}
	return ledger.Shard{Account: o.Account, Region: o.Region, Day: athenatrail.DateOf(o.Delivered), Known: true}
}
