package lake

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake/rowfile"
)

// Rewrite gives each fact of partition p to change, which may alter it, its key
// too, and tells whether it stays. It returns how many were removed and how
// many altered. Where nothing stays the file is removed, where all stay as they
// are it is left alone. Facts that are altered to one key become one, as
// [Merge] has it.
//
// Change may be called again for the same facts, and should leave alone what it
// made. Memory holds both files, which are compressed, and facts whose new keys
// are out of order.
func Rewrite[T any](ctx context.Context, l *Lake, f *Fact[T], p athenatrail.Partition, change func(row *T) (keep bool)) (removed, altered int, err error) {
	if err := checkPartition(p); err != nil {
		return 0, 0, fmt.Errorf("rewrite %s: %w", f.name, err)
	}
	err = l.Update(ctx, fileKey(f.dir(), p), func(old []byte) ([]byte, error) {
		if old == nil {
			return nil, nil
		}
		gone, other, data, err := f.rewrite(ctx, p, old, change)
		// After a write whose answer was lost nothing changes any more, but
		// it did.
		removed, altered = max(removed, gone), max(altered, other)
		return data, err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("rewrite %s of %s: %w", f.name, p, err)
	}
	return removed, altered, nil
}

func (f *Fact[T]) rewrite(ctx context.Context, p athenatrail.Partition, old []byte, change func(*T) bool) (removed, altered int, data []byte, err error) {
	foreign, err := rowfile.Foreign[T](old)
	if err != nil {
		return 0, 0, nil, f.damaged(err)
	}
	if len(foreign) > 0 {
		return 0, 0, nil, fmt.Errorf("%w: the file has columns %q that this athenatrail does not know: install a newer one", ErrNewer, foreign)
	}
	var out bytes.Buffer
	w := f.format.NewWriter(&out)
	var last *T
	var late []T // that belong before last
	n := 0
	for row, err := range rowfile.Rows[T](old) {
		if err != nil {
			return 0, 0, nil, f.damaged(err)
		}
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return 0, 0, nil, context.Cause(ctx)
		}
		*f.home(row) = p
		now := *row
		if !change(&now) {
			removed++
			continue
		}
		f.format.Clean(&now)
		if f.key(&now, row) != 0 || f.better(&now, row) != 0 {
			altered++
		}
		if last != nil && f.key(last, &now) >= 0 {
			late = append(late, now)
			continue
		}
		if err := w.Write(&now); err != nil {
			return 0, 0, nil, err
		}
		last = &now
	}
	switch {
	case removed == 0 && altered == 0:
		return 0, 0, nil, nil
	case last == nil:
		return removed, altered, nil, ErrRemove
	}
	if err := w.Close(); err != nil {
		return 0, 0, nil, err
	}
	data = out.Bytes()
	if len(late) > 0 {
		added, err := f.sorted(p, late)
		if err != nil {
			return 0, 0, nil, err
		}
		_, merged, err := f.merge(ctx, data, added)
		if err != nil {
			return 0, 0, nil, err
		}
		if merged != nil {
			data = merged
		}
	}
	return removed, altered, data, nil
}

func sortedKeys(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }

func sortedDays(m map[athenatrail.Date]bool) []athenatrail.Date { return slices.Sorted(maps.Keys(m)) }

func sortedInts[V any](m map[int]V) []int { return slices.Sorted(maps.Keys(m)) }

// WouldRewrite counts what [Rewrite] would do, and writes nothing.
func WouldRewrite[T any](ctx context.Context, l *Lake, f *Fact[T], p athenatrail.Partition, change func(row *T) (keep bool)) (removed, altered int, err error) {
	for row, err := range Read(ctx, l, f, p) {
		if err != nil {
			return 0, 0, err
		}
		now := *row
		switch {
		case !change(&now):
			removed++
		case f.key(&now, row) != 0 || f.better(&now, row) != 0:
			altered++
		}
	}
	return removed, altered, nil
}
