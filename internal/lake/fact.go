package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake/rowfile"
)

// A Fact is a kind of fact: [Events] and its like. All of them are in facts.go.
type Fact[T any] struct {
	name   string
	format *rowfile.Format[T]

	// key orders rows by their key; rows in a file have different keys.
	key func(a, b *T) int

	// better tells which of two rows with one key stays: a if it is positive,
	// b if negative. It is zero only if both are stored as the same bytes, so
	// that the row that stays does not depend on the order of merges.
	better func(a, b *T) int

	home func(row *T) *athenatrail.Partition

	// day returns the time whose UTC day a row must lie on, if it tells one.
	day func(row *T) (t time.Time, known bool)
}

// Name returns the fact's name, which is its folder's.
func (f *Fact[T]) Name() string { return f.name }

// Home returns the partition that a row lies in.
func (f *Fact[T]) Home(row *T) athenatrail.Partition { return *f.home(row) }

func (f *Fact[T]) dir() string { return "facts/" + f.name + "/" }

// Days that a partition may have: parquet-go reads times through nanoseconds
// since 1970, which end in 2262.
const (
	firstDay = athenatrail.Date(0)     // 1970-01-01
	lastDay  = athenatrail.Date(84006) // 2200-01-01
)

// checkPartition refuses partitions that were not made by
// [athenatrail.NewPartition], and days that no log file can speak of.
func checkPartition(p athenatrail.Partition) error {
	if athenatrail.SafeName(p.Account) != p.Account || athenatrail.SafeName(p.Region) != p.Region || p.Date < firstDay || p.Date > lastDay {
		return fmt.Errorf("partition %q: want a day from %s to %s, an account and a region", p, firstDay, lastDay)
	}
	return nil
}

func fileKey(dir string, p athenatrail.Partition) string {
	return dir + "dt=" + p.Date.String() + "/" + p.Name() + ".parquet"
}

// Merge adds rows to the facts of partition p, and returns how many of them
// the lake did not have yet or had in a form that does not stay. Rows may come
// in any order and repeatedly; they are not changed. If nothing is new,
// nothing is written. A row whose Home is not p is refused, and all with it:
// [ErrWrongPartition].
//
// That nothing is new does not say that the tables know of it: a run may have
// been killed between its merge and its marks.
//
// The day's file is decoded and encoded as a stream: memory holds both files,
// which are compressed, and rows, but not the day's rows.
func Merge[T any](ctx context.Context, l *Lake, f *Fact[T], p athenatrail.Partition, rows []T) (changed int, err error) {
	if len(rows) == 0 {
		return 0, nil
	}
	if err := checkPartition(p); err != nil {
		return 0, fmt.Errorf("merge %s: %w", f.name, err)
	}
	added, err := f.sorted(p, rows)
	if err != nil {
		return 0, fmt.Errorf("merge %s of %s: %w", f.name, p, err)
	}
	err = l.Update(ctx, fileKey(f.dir(), p), func(old []byte) ([]byte, error) {
		n, data, err := f.merge(ctx, old, added)
		// After a write whose answer was lost nothing is new any more, but
		// it was.
		changed = max(changed, n)
		return data, err
	})
	if err != nil {
		return 0, fmt.Errorf("merge %s of %s: %w", f.name, p, err)
	}
	return changed, nil
}

// sorted returns rows ordered by key, one for each.
func (f *Fact[T]) sorted(p athenatrail.Partition, rows []T) ([]*T, error) {
	sorted := make([]*T, len(rows))
	for i := range rows {
		row := &rows[i]
		if home := *f.home(row); home != p {
			return nil, fmt.Errorf("row %d: %w: it lies in %s", i, ErrWrongPartition, home)
		}
		if t, known := f.day(row); known && athenatrail.DateOf(t) != p.Date {
			return nil, fmt.Errorf("row %d: %w: its time is %s", i, ErrWrongPartition, t.UTC().Format(time.RFC3339))
		}
		if clean := *row; f.format.Clean(&clean) {
			row = &clean
		}
		sorted[i] = row
	}
	slices.SortFunc(sorted, func(a, b *T) int {
		if c := f.key(a, b); c != 0 {
			return c
		}
		return f.better(b, a) // the better first, where CompactFunc keeps it
	})
	return slices.CompactFunc(sorted, func(a, b *T) bool { return f.key(a, b) == 0 }), nil
}

// merge merges sorted rows into a file. It returns nil data if nothing changed.
func (f *Fact[T]) merge(ctx context.Context, old []byte, added []*T) (changed int, data []byte, err error) {
	var out bytes.Buffer
	out.Grow(len(old) + 4096)
	w := f.format.NewWriter(&out)
	if old != nil {
		foreign, err := rowfile.Foreign[T](old)
		if err != nil {
			return 0, nil, f.damaged(err)
		}
		if len(foreign) > 0 {
			// To write the file again would drop them.
			return 0, nil, fmt.Errorf("%w: the file has columns %q that this athenatrail does not know: install a newer one", ErrNewer, foreign)
		}
		n := 0
		for row, err := range rowfile.Rows[T](old) {
			if err != nil {
				return 0, nil, f.damaged(err)
			}
			if n++; n%1024 == 0 && ctx.Err() != nil {
				return 0, nil, context.Cause(ctx)
			}
			for len(added) > 0 && f.key(added[0], row) < 0 {
				if err := w.Write(added[0]); err != nil {
					return 0, nil, err
				}
				added, changed = added[1:], changed+1
			}
			if len(added) > 0 && f.key(added[0], row) == 0 {
				if f.better(added[0], row) > 0 {
					row, changed = added[0], changed+1
				}
				added = added[1:]
			}
			if err := w.Write(row); err != nil {
				return 0, nil, err
			}
		}
	}
	for i, row := range added {
		if i%1024 == 1023 && ctx.Err() != nil {
			return 0, nil, context.Cause(ctx)
		}
		if err := w.Write(row); err != nil {
			return 0, nil, err
		}
		changed++
	}
	if changed == 0 {
		return 0, nil, nil
	}
	if err := w.Close(); err != nil {
		return 0, nil, err
	}
	return changed, out.Bytes(), nil
}

func (f *Fact[T]) damaged(err error) error {
	return fmt.Errorf("the file that is there cannot be read: %w", err)
}

// Read returns the facts of partition p in the order of their keys, with Home
// filled in; nothing if there are none. Each row is the caller's to keep. An
// error is the last thing yielded.
func Read[T any](ctx context.Context, l *Lake, f *Fact[T], p athenatrail.Partition) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		for row, err := range readRows[T](ctx, l, f, p) {
			if err == nil {
				*f.home(row) = p
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// ReadAs is [Read] of some columns only: those of the struct N, whose parquet
// tags are those of the row's own type. The others are not decompressed. d may
// be a fact or a table.
func ReadAs[N any](ctx context.Context, l *Lake, d Dataset, p athenatrail.Partition) iter.Seq2[*N, error] {
	return readRows[N](ctx, l, d, p)
}

func readRows[T any](ctx context.Context, l *Lake, d Dataset, p athenatrail.Partition) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		fail := func(err error) { yield(nil, fmt.Errorf("read %s of %s: %w", d.Name(), p, err)) }
		if err := checkPartition(p); err != nil {
			fail(err)
			return
		}
		data, first, rows, err := partitionData(ctx, l, d, p)
		if err != nil {
			fail(err)
			return
		}
		n := 0
		for row, err := range rowfile.RowsAt[T](data, first, rows) {
			if n++; err == nil && n%1024 == 0 {
				err = ctx.Err()
			}
			if err != nil {
				fail(err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// partitionData returns the file that has a partition's rows, from which row on
// they are the partition's, and how many; no rows if there are none, -1 for all.
func partitionData(ctx context.Context, l *Lake, d Dataset, p athenatrail.Partition) (data []byte, first, rows int64, err error) {
	t, isTable := d.(closedTable)
	if !isTable {
		data, err := l.Read(ctx, fileKey(d.dir(), p))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, 0, 0, nil
		}
		return data, 0, -1, err
	}
	b, err := l.recentBoundary(ctx)
	if err != nil {
		return nil, 0, 0, err
	}
	if !b.IsClosed(p.Date) {
		data, err = l.Read(ctx, fileKey(d.dir(), p))
		if !errors.Is(err, fs.ErrNotExist) {
			return data, 0, -1, err
		}
		// The day may have been closed since, and its open files removed.
		if b, err = l.Boundary(ctx); err != nil || !b.IsClosed(p.Date) {
			return nil, 0, 0, err
		}
	}
	files, err := closedFiles(ctx, l, t, p.Date, p.Date+1)
	if err != nil {
		return nil, 0, 0, err
	}
	for _, f := range files {
		data, err := l.Read(ctx, f.Key)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, 0, 0, err
		}
		// Of the file that was read, not of its end as it was before.
		all, err := slicesOf(p.Date, data)
		if err != nil {
			return nil, 0, 0, err
		}
		first := int64(0)
		for _, s := range all {
			if s.Partition == p {
				return data, first, s.rows, nil
			}
			first += s.rows
		}
	}
	return nil, 0, 0, nil
}

// Scan calls do with what N has of every row of days, from included and to not;
// of all days if both are zero. It reads every file once, where [ReadAs] reads
// a closed file for each account and region. Rows come in the order of their
// days, and are do's to keep. An error of do ends it.
func Scan[N any](ctx context.Context, l *Lake, d Dataset, from, to athenatrail.Date, do func(p athenatrail.Partition, row *N) error) error {
	var last string // the closed file that was read
	for file, err := range Partitions(ctx, l, d, from, to) {
		if err != nil {
			return err
		}
		if !file.closed {
			for row, err := range readRows[N](ctx, l, d, file.Partition) {
				if err == nil {
					err = do(file.Partition, row)
				}
				if err != nil {
					return err
				}
			}
			continue
		}
		if file.Key == last {
			continue
		}
		last = file.Key
		if err := scanClosed(ctx, l, d, file, do); err != nil {
			return err
		}
	}
	return nil
}

func scanClosed[N any](ctx context.Context, l *Lake, d Dataset, file PartitionFile, do func(athenatrail.Partition, *N) error) error {
	data, err := l.Read(ctx, file.Key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // its rows were forgotten since it was listed
	}
	var all []slice
	if err == nil {
		all, err = slicesOf(file.Date, data)
	}
	if err != nil {
		return fmt.Errorf("read %s of %s: %w", d.Name(), file.Date, err)
	}
	i, n := 0, int64(0)
	for row, err := range rowfile.Rows[N](data) {
		if n++; err == nil && n%1024 == 0 {
			err = ctx.Err()
		}
		for ; i < len(all) && n > all[i].rows; i, n = i+1, 1 {
		}
		if err == nil && i == len(all) {
			err = errors.New("it has more rows than its metadata tells of")
		}
		if err != nil {
			return fmt.Errorf("read %s of %s: %w", d.Name(), file.Date, err)
		}
		if err := do(all[i].Partition, row); err != nil {
			return err
		}
	}
	return nil
}
