// Package rebuild derives days: it reads the facts of a partition and of those
// around it, lets derive compute the tables, and writes them. Collecting ends
// with it, and `lake rebuild` is nothing else.
//
// A day that is to be derived carries marks. The marks are read first, then
// the facts, and only those marks are removed once the tables are written: a
// fact that arrives meanwhile brings a mark of its own, which stays.
package rebuild

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/lake"
)

// A Builder derives days of one lake with one set of settings.
type Builder struct {
	Lake     *lake.Lake
	Settings *derive.Settings
	Jobs     int // days derived side by side; at least 1

	// Done, if set, is told of each day derived and how many remain. It is
	// called by several goroutines, one at a time.
	Done func(p athenatrail.Partition, remaining int)

	once sync.Once
	held *evidence

	mu   sync.Mutex
	seen Seen
}

// evidence is what explains callers, remembered from day to day.
type evidence struct {
	issues     *Issues
	references *References
}

func (b *Builder) evidence() *evidence {
	b.once.Do(func() { b.held = &evidence{NewIssues(b.Lake), NewReferences(b.Lake)} })
	return b.held
}

// Marked derives every day that carries a mark, and returns them in order.
func (b *Builder) Marked(ctx context.Context) ([]athenatrail.Partition, error) {
	marks, err := b.Lake.Marks(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the days to derive: %w", err)
	}
	days := make([]athenatrail.Partition, len(marks))
	keys := map[athenatrail.Partition][]string{}
	for i, m := range marks {
		days[i], keys[m.Partition] = m.Partition, m.Keys
	}
	return days, b.each(ctx, days, func(ctx context.Context, parts []athenatrail.Partition) error {
		if err := b.day(ctx, parts...); err != nil {
			return err
		}
		for _, p := range parts {
			if err := b.Lake.Unmark(ctx, keys[p]...); err != nil {
				return err
			}
		}
		return nil
	})
}

// Stale derives every day whose tables were derived with other settings, or
// with all set every day of the lake. Left-over marks are done first. It
// returns the days derived.
func (b *Builder) Stale(ctx context.Context, all bool) ([]athenatrail.Partition, error) {
	done, err := b.Marked(ctx)
	if err != nil {
		return done, err
	}
	days, err := b.days(ctx)
	if err != nil {
		return done, err
	}
	var mu sync.Mutex
	hash := b.Settings.Hash()
	err = b.each(ctx, days, func(ctx context.Context, parts []athenatrail.Partition) error {
		if !all {
			var stale []athenatrail.Partition
			for _, p := range parts {
				fresh, err := b.fresh(ctx, p, hash)
				if err != nil {
					return err
				}
				if !fresh {
					stale = append(stale, p)
				}
			}
			parts = stale
		}
		if len(parts) == 0 {
			return nil
		}
		if err := b.day(ctx, parts...); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		done = append(done, parts...)
		return nil
	})
	slices.SortFunc(done, athenatrail.Partition.Compare)
	return slices.Compact(done), err
}

// fresh tells whether all tables of a day were derived with hash.
func (b *Builder) fresh(ctx context.Context, p athenatrail.Partition, hash string) (bool, error) {
	var known bool
	for _, table := range tables {
		with, err := lake.DerivedWith(ctx, b.Lake, table, p)
		if err != nil {
			return false, ctx.Err() // what cannot be opened is made again
		}
		if with != "" && with != hash {
			return false, nil
		}
		known = known || with != ""
	}
	return known, nil
}

var tables = []lake.Dataset{lake.QueryExecutions, lake.Activity, lake.Sessions, lake.Calculations, lake.UsageRollup, lake.TableRollup}

// days returns every partition that has facts to derive from, or tables.
func (b *Builder) days(ctx context.Context) ([]athenatrail.Partition, error) {
	all := map[athenatrail.Partition]bool{}
	for _, data := range append([]lake.Dataset{lake.Events, lake.Details}, tables...) {
		for file, err := range lake.Partitions(ctx, b.Lake, data, 0, 0) {
			if err != nil {
				return nil, err
			}
			all[file.Partition] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), athenatrail.Partition.Compare), nil
}

// maxTogether bounds how many partitions of a closed day are derived together:
// their tables are held in memory, compressed, until all of them are written.
const maxTogether = 200

// together cuts partitions, which are in order, into those that are derived
// together: of a closed day all, since they share their files.
func (b *Builder) together(ctx context.Context, days []athenatrail.Partition) ([][]athenatrail.Partition, error) {
	boundary, err := b.Lake.Boundary(ctx)
	if err != nil {
		return nil, err
	}
	var all [][]athenatrail.Partition
	for _, p := range days {
		if last := len(all) - 1; last >= 0 && boundary.IsClosed(p.Date) && all[last][0].Date == p.Date && len(all[last]) < maxTogether {
			all[last] = append(all[last], p)
		} else {
			all = append(all, []athenatrail.Partition{p})
		}
	}
	return all, nil
}

func (b *Builder) each(ctx context.Context, days []athenatrail.Partition, do func(context.Context, []athenatrail.Partition) error) error {
	all, err := b.together(ctx, days)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	remaining := len(days)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, b.Jobs))
	for _, parts := range all {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := do(ctx, parts); err != nil {
				return fmt.Errorf("derive %s: %w", named(parts), err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, p := range parts {
				remaining--
				if b.Done != nil {
					b.Done(p, remaining)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func named(parts []athenatrail.Partition) string {
	if len(parts) == 1 {
		return parts[0].String()
	}
	return parts[0].Date.String()
}
