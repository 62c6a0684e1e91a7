package lake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"

	"github.com/athenatrail/athenatrail"
)

// A Derivation is what the tables of a partition are to hold.
type Derivation struct {
	athenatrail.Partition
	with string

	// files are open files by name of table, nil without rows.
	files map[string][]byte
}

// NewDerivation returns a Derivation of a partition that says nothing of any
// table yet. DerivedWith names what the rows are derived with.
func NewDerivation(p athenatrail.Partition, derivedWith string) *Derivation {
	return &Derivation{p, derivedWith, map[string][]byte{}}
}

// Derive says what rows a table is to hold. They must come in the order of
// their keys, [ErrOrder], and lie in the account and region,
// [ErrWrongPartition]. They are encoded as they come, one at a time; an error
// among them ends it.
func Derive[T any](ctx context.Context, d *Derivation, t *Table[T], rows iter.Seq2[*T, error]) error {
	if err := checkPartition(d.Partition); err != nil {
		return fmt.Errorf("write %s: %w", t.name, err)
	}
	data, err := t.encode(ctx, d.Partition, rows, d.with)
	if err != nil {
		return fmt.Errorf("write %s of %s: %w", t.name, d.Partition, err)
	}
	d.files[t.name] = data
	return nil
}

// A State is how the tables of some partitions of one day were at a moment.
type State struct {
	// Boundary is where the lake's was.
	Boundary Boundary

	open   map[string]fileState // by key
	closed map[string]closedDay // by name of table
}

type fileState struct {
	exists bool
	sum    [sha256.Size]byte
}

func stateOfFile(data []byte) fileState {
	return fileState{data != nil, sha256.Sum256(data)}
}

// StateOf returns the state of the tables of partitions, all of one day, for
// [Replace].
func StateOf(ctx context.Context, l *Lake, parts ...athenatrail.Partition) (*State, error) {
	was := &State{open: map[string]fileState{}, closed: map[string]closedDay{}}
	var err error
	if was.Boundary, err = l.Boundary(ctx); err != nil {
		return nil, err
	}
	for i, p := range parts {
		if err := checkPartition(p); err != nil {
			return nil, fmt.Errorf("read tables: %w", err)
		}
		if p.Date != parts[0].Date {
			return nil, fmt.Errorf("read tables of %s: want partitions of %s", p, parts[0].Date)
		}
		for _, t := range allTables {
			if i == 0 && was.Boundary.writesClosed(p.Date) {
				if was.closed[t.Name()], err = readClosedDay(ctx, l, t, p.Date); err != nil {
					return nil, fmt.Errorf("read %s of %s: %w", t.Name(), p.Date, err)
				}
			}
			key := fileKey(t.dir(), p)
			data, err := l.Read(ctx, key)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("read %s of %s: %w", t.Name(), p, err)
			}
			if err != nil {
				data = nil
			}
			was.open[key] = stateOfFile(data)
		}
	}
	return was, nil
}

// Replace replaces the tables of partitions of one day by what was derived, and
// reports whether any file was written or removed. It writes only if they still
// are as was says, else the error is [ErrChanged]. Whoever looks at the state
// first, then reads the facts, then replaces, and on ErrChanged does all of it
// again, never puts rows of old facts over rows of new ones.
//
// Rows of a closed day go into its closed files, each of which is written once,
// and into open files only where these are still there, for those who looked at
// the boundary before it moved. While a day is being closed both are written,
// the closed file first. Rows that the lake does not keep are left out.
func Replace(ctx context.Context, l *Lake, was *State, ds ...*Derivation) (changed bool, err error) {
	if len(ds) == 0 {
		return false, nil
	}
	day := ds[0].Date
	// Compaction may have begun since the state was looked at. Asked right
	// before the first write, and again after the last: see ARCHITECTURE.md.
	if err := unmoved(ctx, l, was, day); err != nil {
		return false, err
	}
	ds = slices.Clone(ds)
	slices.SortFunc(ds, func(a, b *Derivation) int { return comparePlaces(a.Partition, b.Partition) })
	for _, t := range allTables {
		wrote, err := replace(ctx, l, t, was.Boundary, was, ds)
		if changed = changed || wrote; err != nil {
			return changed, fmt.Errorf("write %s of %s: %w", t.Name(), day, err)
		}
	}
	return changed, unmoved(ctx, l, was, day)
}

// unmoved is [ErrChanged] if a day's rows are to be written elsewhere than when
// its state was looked at.
func unmoved(ctx context.Context, l *Lake, was *State, day athenatrail.Date) error {
	now, err := l.Boundary(ctx)
	if err == nil && !was.Boundary.sameFor(day, now) {
		err = ErrChanged
	}
	return err
}

// replace writes one table; was is nil if nobody else writes it.
func replace(ctx context.Context, l *Lake, t closedTable, b Boundary, was *State, ds []*Derivation) (changed bool, err error) {
	if b.writesClosed(ds[0].Date) {
		if changed, err = replaceClosed(ctx, l, t, b, was, ds); err != nil {
			return changed, err
		}
	}
	for _, d := range ds {
		data, ok := d.files[t.Name()]
		if !ok {
			continue
		}
		if !b.Keeps(t.Name(), d.Date) {
			data = nil
		}
		key := fileKey(t.dir(), d.Partition)
		if b.IsClosed(d.Date) && was != nil && !was.open[key].exists {
			continue
		}
		err := l.Update(ctx, key, func(old []byte) ([]byte, error) {
			if old == nil && b.IsClosed(d.Date) || old == nil && data == nil || old != nil && bytes.Equal(old, data) {
				return nil, nil
			}
			if was != nil && was.open[key] != stateOfFile(old) {
				return nil, ErrChanged
			}
			changed = true
			if data == nil {
				return nil, ErrRemove
			}
			return data, nil
		})
		if err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// replaceClosed writes the closed files of a table.
func replaceClosed(ctx context.Context, l *Lake, t closedTable, b Boundary, was *State, ds []*Derivation) (changed bool, err error) {
	day := ds[0].Date
	held, err := readClosedDay(ctx, l, t, day)
	if err != nil {
		return false, err
	}
	type wanted struct {
		change
		becomes slice
	}
	files := map[int][]wanted{}
	for _, d := range ds {
		data, ok := d.files[t.Name()]
		if !ok {
			continue
		}
		w := wanted{change{Partition: d.Partition, with: d.with}, slice{Partition: d.Partition}}
		if data != nil && b.Keeps(t.Name(), day) {
			w.open, w.becomes.with = data, d.with
			if w.becomes.sum, w.becomes.rows, err = t.sumOf(data); err != nil {
				return false, err
			}
		}
		file, is, _, ok := held.find(d.Partition)
		n := file.n
		if !ok {
			n = held.home(d.Partition)
		}
		if !is.is(w.becomes) {
			files[n] = append(files[n], w)
		}
	}
	for _, n := range sortedInts(files) {
		key := closedKey(t, day, n)
		err := l.Update(ctx, key, func(old []byte) ([]byte, error) {
			var has []slice
			if old != nil {
				if has, err = slicesOf(day, old); err != nil {
					return nil, fmt.Errorf("%s cannot be read: %w; %s", key, err, hintClosed)
				}
			}
			var changes []change
			for _, w := range files[n] {
				is := slice{Partition: w.Partition}
				if i := slices.IndexFunc(has, func(s slice) bool { return s.Partition == w.Partition }); i >= 0 {
					is = has[i]
				}
				if is.is(w.becomes) {
					continue
				}
				if was != nil {
					if _, before, _, _ := was.closed[t.Name()].find(w.Partition); !is.is(before) {
						return nil, ErrChanged
					}
				}
				changes = append(changes, w.change)
			}
			if len(changes) == 0 {
				return nil, nil
			}
			data, _, err := t.rewrite(ctx, day, old, changes)
			if err != nil {
				return nil, err
			}
			changed = true
			if data == nil {
				return nil, ErrRemove
			}
			return data, nil
		})
		if err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// WriteTable replaces the rows of partition p in one table, whatever it held,
// and reports whether a file was written or removed. Without rows there is no
// file. The same rows leave the file untouched. [Replace] is for when others
// may derive the same day at the same time.
func WriteTable[T any](ctx context.Context, l *Lake, t *Table[T], p athenatrail.Partition, rows iter.Seq2[*T, error], derivedWith string) (changed bool, err error) {
	d := NewDerivation(p, derivedWith)
	if err := Derive(ctx, d, t, rows); err != nil {
		return false, err
	}
	b, err := l.Boundary(ctx)
	if err != nil {
		return false, err
	}
	if changed, err = replace(ctx, l, t, b, nil, []*Derivation{d}); err != nil {
		return false, fmt.Errorf("write %s of %s: %w", t.name, p, err)
	}
	return changed, nil
}
