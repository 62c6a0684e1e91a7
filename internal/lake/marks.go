package lake

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail"
)

const dirtyDir = "_ledger/v1/dirty/"

// Marks are the marks of one partition whose tables are to be derived again.
type Marks struct {
	athenatrail.Partition
	Keys []string // for [Lake.Unmark]
}

// Mark marks a partition: its facts, or facts in its reach, have changed, and
// its tables do not know it yet. RunID names the run, in letters, digits, dots,
// hyphens and underscores, and no other run has it. Every call leaves a mark of
// its own, so that a derive which removes the marks that it saw does not remove
// this one.
func (l *Lake) Mark(ctx context.Context, p athenatrail.Partition, runID string) error {
	if err := checkPartition(p); err != nil {
		return fmt.Errorf("mark: %w", err)
	}
	if runID == "" || strings.Contains(runID, "/") {
		return fmt.Errorf("mark %s: run id %q: want one part of a key", p, runID)
	}
	key := fmt.Sprintf("%s%s/%s/%s-%d", dirtyDir, p.Date, p.Name(), runID, l.marks.Add(1))
	if err := l.Put(ctx, key, nil); err != nil {
		return fmt.Errorf("mark %s: %w", p, err)
	}
	return nil
}

// Marks returns all marked partitions, in their order. What derives one of
// them reads the marks before the facts, and removes them, those and no
// others, after the tables are written.
func (l *Lake) Marks(ctx context.Context) ([]Marks, error) {
	var all []Marks
	for file, err := range l.List(ctx, dirtyDir) {
		if err != nil {
			return nil, fmt.Errorf("list marks: %w", err)
		}
		parts := strings.Split(strings.TrimPrefix(file.Key, dirtyDir), "/")
		if len(parts) != 3 {
			continue
		}
		p, err := athenatrail.ParsePartition(parts[0], parts[1])
		if err != nil || checkPartition(p) != nil {
			continue
		}
		if len(all) == 0 || all[len(all)-1].Partition != p {
			all = append(all, Marks{Partition: p})
		}
		last := &all[len(all)-1]
		last.Keys = append(last.Keys, file.Key)
	}
	// Keys sort almost so, but for accounts one of which begins as another.
	slices.SortStableFunc(all, func(a, b Marks) int { return a.Compare(b.Partition) })
	return all, nil
}

// Unmark removes marks. That one is gone already is no error.
func (l *Lake) Unmark(ctx context.Context, keys ...string) error {
	var first error
	for _, key := range keys {
		if !strings.HasPrefix(key, dirtyDir) {
			return fmt.Errorf("unmark %q: it is no mark", key)
		}
		if err := l.Delete(ctx, key); err != nil {
			first = cmp.Or(first, fmt.Errorf("unmark: %w", err))
		}
	}
	return first
}
