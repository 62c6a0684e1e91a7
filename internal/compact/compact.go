// Package compact closes days: of each table, the files that a day has of every
// account and region become one, sorted, which is smaller and faster to read.
// It also removes what a lake is not to keep any longer. How a day is closed
// beside those who read and write it stands in internal/lake; this package says
// which days, in which order, and again until nothing changed meanwhile.
package compact

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/forget"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/rebuild"
	"github.com/athenatrail/athenatrail/internal/redact"
)

const (
	// KeepOpen is how many days stay open by default: the look-back of a
	// listing, two days, and the seven that a session's events reach back to,
	// with some for a run that did not take place. What comes later for a
	// closed day costs writing that day's file again, and nothing else.
	KeepOpen = 14

	// Grace is for how long open files stay by default once their day is
	// closed. Who reads a lake looks at the boundary at the latest when it has
	// been open for this long.
	Grace = 24 * time.Hour
)

// Texts is the name, beside those of tables, by which the retention of SQL is
// set.
const Texts = "query_texts"

// Retained are the names for which a retention can be set.
func Retained() []string {
	return []string{
		lake.QueryExecutions.Name(), lake.Activity.Name(), lake.Sessions.Name(), lake.Calculations.Name(),
		lake.UsageRollup.Name(), lake.TableRollup.Name(), Texts,
	}
}

// Options say what to compact.
type Options struct {
	Lake    *lake.Lake
	Builder *rebuild.Builder // for days that are marked
	RunID   string           // of marks; no two runs may share it
	Now     time.Time

	// Before is the first day that stays open.
	Before athenatrail.Date

	// Grace is for how long open files of closed days stay.
	Grace time.Duration

	// KeepFrom has the first day whose rows are kept, by a name of Retained;
	// all are kept of a table that it does not name. Only rows of closed days
	// are ever removed.
	KeepFrom map[string]athenatrail.Date

	// Jobs is how many days are closed side by side; at least 1.
	Jobs int

	DryRun bool // say what would be done, and write nothing

	// Done, if set, is told of each day closed and how many remain.
	Done func(day athenatrail.Date, remaining int)
}

// A Result is what was done, or in a dry run would be.
type Result struct {
	Was, Before athenatrail.Date // the boundary, before and after

	Days     int   // that were closed
	Rows     int64 // of them
	OpenSize int64 // bytes of the open files that they were made from
	Size     int64 // bytes of the closed files; zero in a dry run

	Removed     int   // open files of days closed before
	RemovedSize int64 // bytes of them
	Old         int   // files with rows that are not kept
	OldSize     int64 // bytes of them
	Texts       int   // texts whose SQL was taken out

	// Held is the first day that could not be closed because others were
	// deriving it; zero if there was none.
	Held athenatrail.Date
}

const (
	// daysAtOnce is how many days are closed between two moves of the
	// boundary: what is done is not lost to a kill.
	daysAtOnce = 31

	// rounds bounds how often days are looked at again that others write.
	rounds = 5
)

// Run compacts a lake.
func Run(ctx context.Context, o Options) (*Result, error) {
	b, err := o.Lake.Boundary(ctx)
	if err != nil {
		return nil, err
	}
	r := &run{Options: o, result: Result{Was: b.Before, Before: b.Before}}
	if !o.DryRun {
		if _, err := o.Builder.Marked(ctx); err != nil {
			return nil, err
		}
	}
	days, err := lake.OpenDays(ctx, o.Lake, o.Before)
	if err != nil {
		return nil, err
	}
	if o.DryRun {
		return &r.result, r.foresee(ctx, days)
	}
	if o.Before > b.Before && len(days) > 0 {
		if err := r.closeAll(ctx, days); err != nil {
			return &r.result, err
		}
	}
	if err := r.retain(ctx); err != nil {
		return &r.result, err
	}
	r.result.Removed, r.result.RemovedSize, err = lake.RemoveOpen(ctx, o.Lake, o.Now, o.Grace, false)
	return &r.result, err
}

type run struct {
	Options
	result Result
}

// closeAll closes days, which are in order, and moves the boundary past them.
func (r *run) closeAll(ctx context.Context, days []athenatrail.Date) error {
	if err := r.Lake.BeginClosing(ctx, r.Before); err != nil {
		return err
	}
	remaining := len(days)
	for len(days) > 0 {
		chunk := days[:min(daysAtOnce, len(days))]
		days = days[len(chunk):]
		to := r.Before
		if len(days) > 0 {
			to = days[0]
		}
		closed, err := r.close(ctx, chunk, &remaining)
		if err != nil {
			return err
		}
		held, err := r.settle(ctx, closed, to)
		if err != nil {
			return err
		}
		if held != 0 {
			to, r.result.Held = held, held
		}
		if err := r.move(ctx, closed, to); err != nil {
			return err
		}
		if held != 0 {
			return nil
		}
	}
	return nil
}

// move moves the boundary and sums up the days that it passes.
func (r *run) move(ctx context.Context, closed map[athenatrail.Date]*lake.Closing, to athenatrail.Date) error {
	if to <= r.result.Before {
		return nil
	}
	if err := r.Lake.MoveBoundary(ctx, to); err != nil {
		return err
	}
	r.result.Before = to
	for day, c := range closed {
		if day < to && c != nil {
			r.result.Days++
			r.result.Rows += c.Rows
			r.result.Size += c.Bytes
			r.result.OpenSize += c.OpenSum
		}
	}
	return nil
}

// close closes days side by side. A day that somebody else closed is nil.
func (r *run) close(ctx context.Context, days []athenatrail.Date, remaining *int) (map[athenatrail.Date]*lake.Closing, error) {
	closed := map[athenatrail.Date]*lake.Closing{}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, r.Jobs))
	for _, day := range days {
		group.Go(func() error {
			c, err := lake.CloseDay(ctx, r.Lake, day)
			if errors.Is(err, lake.ErrClosed) {
				err = nil
			}
			mu.Lock()
			defer mu.Unlock()
			closed[day] = c
			if *remaining--; err == nil && r.Done != nil {
				r.Done(day, *remaining)
			}
			return err
		})
	}
	return closed, group.Wait()
}

// settle looks whether the days before one may be read from their closed files:
// nobody derives them, and they are what the open files give. Those that are
// not are closed again. It returns the first day for which that has not come to
// an end, or zero.
func (r *run) settle(ctx context.Context, closed map[athenatrail.Date]*lake.Closing, to athenatrail.Date) (held athenatrail.Date, err error) {
	for range rounds {
		held = 0
		hold := func(day athenatrail.Date) {
			if held == 0 || day < held {
				held = day
			}
		}
		// Marks first, see [lake.Closing.Holds].
		marks, err := r.Lake.Marks(ctx)
		if err != nil {
			return 0, err
		}
		for _, m := range marks {
			if m.Date < to && m.Date >= r.result.Before {
				hold(m.Date)
			}
		}
		for _, day := range slices.Sorted(maps.Keys(closed)) {
			c := closed[day]
			if c == nil {
				continue
			}
			holds, err := c.Holds(ctx, r.Lake)
			if err != nil {
				return 0, err
			}
			if !holds {
				hold(day)
			}
		}
		// A day that had no file when the days were listed has rows now.
		days, err := lake.OpenDays(ctx, r.Lake, to)
		if err != nil {
			return 0, err
		}
		for _, day := range days {
			if _, ok := closed[day]; !ok {
				hold(day)
			}
		}
		if held == 0 {
			return 0, nil
		}
		if _, err := r.Builder.Marked(ctx); err != nil {
			return 0, err
		}
		again := map[athenatrail.Date]bool{}
		for _, day := range days {
			if day >= held {
				again[day] = true
			}
		}
		n := len(again)
		more, err := r.close(ctx, slices.Sorted(maps.Keys(again)), &n)
		if err != nil {
			return 0, err
		}
		maps.Copy(closed, more)
	}
	return held, nil
}

// foresee says what would be done.
func (r *run) foresee(ctx context.Context, days []athenatrail.Date) error {
	if len(days) > 0 && r.Before > r.result.Was {
		r.result.Before = r.Before
	}
	r.result.Days = len(days)
	var err error
	if r.result.OpenSize, err = lake.OpenSize(ctx, r.Lake, r.Before); err != nil {
		return err
	}
	r.result.Removed, r.result.RemovedSize, err = lake.RemoveOpen(ctx, r.Lake, r.Now, r.Grace, true)
	return err
}

// retain removes what is not kept. From which day on rows are kept is written
// down first, so that who derives a day that is gone leaves it so.
func (r *run) retain(ctx context.Context) error {
	b, err := r.Lake.Boundary(ctx)
	if err != nil {
		return err
	}
	want := map[string]athenatrail.Date{}
	for name, from := range r.KeepFrom {
		if from = min(from, b.Before); from > 0 {
			want[name] = from
		}
	}
	if maps.Equal(want, b.KeptFrom) {
		// A run that was killed may have left files.
		return r.removeOld(ctx)
	}
	// Rows of days that are kept again are derived again, from facts. Their
	// marks come before the word that they are kept, for a kill in between, and
	// after it once more, for who derives them in between.
	again := func() (some bool, err error) {
		for name, was := range b.KeptFrom {
			if from := want[name]; from < was && name != Texts {
				some = true
				if err := r.mark(ctx, from, was); err != nil {
					return some, err
				}
			}
		}
		return some, nil
	}
	if _, err := again(); err != nil {
		return err
	}
	if from := want[Texts]; from > b.KeptFrom[Texts] {
		done, err := forget.Run(ctx, forget.Options{
			Lake: r.Lake, Settings: r.Builder.Settings, Jobs: r.Builder.Jobs, RunID: r.RunID,
			Texts: true, From: b.KeptFrom[Texts], Before: from, Keep: redact.FingerprintOnly,
		})
		if err != nil {
			return fmt.Errorf("take out SQL of days before %s: %w", from, err)
		}
		for _, c := range done.Counts {
			if c.Fact == Texts {
				r.result.Texts += int(c.Altered)
			}
		}
	}
	if err := r.Lake.KeepFrom(ctx, want); err != nil {
		return err
	}
	if some, err := again(); err != nil {
		return err
	} else if some {
		if _, err := r.Builder.Marked(ctx); err != nil {
			return err
		}
	}
	return r.removeOld(ctx)
}

func (r *run) removeOld(ctx context.Context) (err error) {
	r.result.Old, r.result.OldSize, err = lake.RemoveOld(ctx, r.Lake)
	return err
}

// mark marks every partition of days that has facts to derive from.
func (r *run) mark(ctx context.Context, from, to athenatrail.Date) error {
	parts := map[athenatrail.Partition]bool{}
	for _, fact := range []lake.Dataset{lake.Events, lake.Details} {
		for file, err := range lake.Partitions(ctx, r.Lake, fact, from, to) {
			if err != nil {
				return err
			}
			parts[file.Partition] = true
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(parts), athenatrail.Partition.Compare) {
		if err := r.Lake.Mark(ctx, p, r.RunID); err != nil {
			return err
		}
	}
	return nil
}
