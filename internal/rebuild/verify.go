package rebuild

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
)

// A Verification is what deriving all days again, without writing, has shown.
type Verification struct {
	Problems []lake.Problem
	Compared int // days whose tables were made with today's settings
	Stale    int // days whose tables were made with others, which were not compared
	Marked   int // days that a run has yet to derive, which were not compared
}

// Verify derives every day again and compares what comes out with the tables,
// writing nothing. A day's tables are a function of its facts, so a difference
// means that facts or tables were lost or changed.
func (b *Builder) Verify(ctx context.Context) (v Verification, err error) {
	marks, err := b.Lake.Marks(ctx)
	if err != nil {
		return v, err
	}
	marked := map[athenatrail.Partition]bool{}
	for _, m := range marks {
		marked[m.Partition] = true
	}
	days, err := b.days(ctx)
	if err != nil {
		return v, err
	}
	watched := &watch{Store: b.Lake.Store}
	l, err := lake.Open(ctx, watched)
	if err != nil {
		return v, err
	}
	dry := &Builder{Lake: l, Settings: b.Settings}
	hash := b.Settings.Hash()
	for i, p := range days {
		if marked[p] {
			v.Marked++
			continue
		}
		with := ""
		for _, table := range tables {
			// A table that cannot be opened is compared, and differs.
			if with, err = lake.DerivedWith(ctx, b.Lake, table, p); err == nil && with != "" {
				break
			}
		}
		if with != "" && with != hash {
			v.Stale++
			continue
		}
		v.Compared++
		watched.changed = nil
		if err := dry.day(ctx, p); err != nil {
			v.Problems = append(v.Problems, lake.Problem{Path: p.String(), What: err.Error(), Hint: "see what is said of its facts"})
			continue
		}
		for _, key := range watched.changed {
			v.Problems = append(v.Problems, lake.Problem{
				Path: key,
				What: "is not what the day's facts give: facts or tables were lost or changed",
				Hint: "restore facts/ from a backup; or, if the facts are right, athenatrail lake rebuild --all makes the tables again",
			})
		}
		if b.Done != nil {
			b.Done(p, len(days)-i-1)
		}
	}
	return v, nil
}

// A watch is a store that notes which tables would be written, and writes
// nothing.
type watch struct {
	lake.Store
	changed []string
}

func (w *watch) Update(ctx context.Context, key string, change func([]byte) ([]byte, error)) error {
	if !strings.HasPrefix(key, "tables/") {
		return nil
	}
	old, err := w.Store.Read(ctx, key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	data, err := change(old)
	switch {
	case errors.Is(err, lake.ErrRemove), err == nil && data != nil:
		if !slices.Contains(w.changed, key) {
			w.changed = append(w.changed, key)
		}
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

func (w *watch) Put(context.Context, string, []byte) error { return nil }
func (w *watch) Delete(context.Context, string) error      { return nil }
