package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake/rowfile"
)

// How a day is closed, so that no reader sees a row missing or twice, and no
// row is lost:
//
//	1. BeginClosing: from now on whoever derives the day writes both its files,
//	   the closed one first.
//	2. CloseDay: the closed files are written from the open files, each on
//	   condition that neither changed meanwhile.
//	3. Nothing is marked, and Holds: the closed files still are what the open
//	   files give. A derive that did not know of 1 has left a mark or changed an
//	   open file by now; then 2 and 3 are done again.
//	4. MoveBoundary: one write, after which readers read the closed files.
//	5. RemoveOpen: after a time of grace the open files go.
//
// Each step may be done again, by several at once, and left by a kill.

// ErrClosed says that a day was closed by somebody else meanwhile.
var ErrClosed = errors.New("the day is closed already")

// closeTries bounds how often a day is closed anew because others wrote it.
const closeTries = 10

// BeginClosing says that the days before one are being closed.
func (l *Lake) BeginClosing(ctx context.Context, before athenatrail.Date) error {
	return l.changeBoundary(ctx, func(b *Boundary) {
		if before > b.Before {
			b.Closing = max(b.Closing, before)
		}
	})
}

// MoveBoundary makes readers read the days before one from their closed files.
// It is for who has closed them and seen that they hold.
func (l *Lake) MoveBoundary(ctx context.Context, before athenatrail.Date) error {
	err := l.changeBoundary(ctx, func(b *Boundary) {
		b.Before = max(b.Before, before)
		if b.Closing <= b.Before {
			b.Closing = 0
		}
	})
	if err != nil {
		return err
	}
	return l.noteMoved(ctx, before)
}

// KeepFrom says from which day on rows of tables are kept, by the table's name.
// [RemoveOld] removes those before it.
func (l *Lake) KeepFrom(ctx context.Context, from map[string]athenatrail.Date) error {
	return l.changeBoundary(ctx, func(b *Boundary) { b.KeptFrom = from })
}

// A Closing is what was made of a day.
type Closing struct {
	Day     athenatrail.Date
	Rows    int64
	Bytes   int64 // of the closed files
	Open    int   // open files
	OpenSum int64 // bytes of the open files
	Written int   // closed files that were written

	opens  map[string][]File    // by table
	slices map[string][][]slice // by table, of each file
}

// CloseDay writes the closed files of a day from its open files. Files that are
// as they should be are left alone. The error is [ErrClosed] if the boundary has
// passed the day.
func CloseDay(ctx context.Context, l *Lake, day athenatrail.Date) (*Closing, error) {
	c := &Closing{Day: day, opens: map[string][]File{}, slices: map[string][][]slice{}}
	for _, t := range allTables {
		for try := 1; ; try++ {
			err := c.table(ctx, l, t)
			if errors.Is(err, ErrChanged) && try < closeTries {
				if err = pause(ctx, try); err == nil {
					continue
				}
			}
			if err != nil {
				return nil, fmt.Errorf("close %s of %s: %w", t.Name(), day, err)
			}
			break
		}
	}
	return c, nil
}

// opensOf lists the open files of a table's day.
func opensOf(ctx context.Context, l *Lake, t closedTable, b Boundary, day athenatrail.Date) (files []PartitionFile, err error) {
	if !b.Keeps(t.Name(), day) {
		return nil, nil
	}
	openPartitions(ctx, l, t, day, day+1, func(f PartitionFile, e error) bool {
		if err = e; err == nil {
			files = append(files, f)
		}
		return err == nil
	})
	slices.SortFunc(files, func(a, b PartitionFile) int { return comparePlaces(a.Partition, b.Partition) })
	return files, err
}

func filesOf(parts []PartitionFile) []File {
	files := make([]File, len(parts))
	for i, p := range parts {
		files[i] = p.File
	}
	return files
}

// sameFiles reports whether two listings are of the same contents.
func sameFiles(a, b []File) bool {
	return slices.EqualFunc(a, b, func(a, b File) bool { return a.Key == b.Key && a.ETag == b.ETag && a.Size == b.Size })
}

// table closes one table.
func (c *Closing) table(ctx context.Context, l *Lake, t closedTable) error {
	b, err := l.Boundary(ctx)
	if err != nil {
		return err
	}
	if b.IsClosed(c.Day) {
		return ErrClosed
	}
	opens, err := opensOf(ctx, l, t, b, c.Day)
	if err != nil {
		return err
	}
	listed := filesOf(opens)
	// valid is asked after a closed file was read and before it is written on
	// condition that nobody else wrote it. So rows of older open files never
	// come over rows of newer ones, and none over those of a closed day.
	valid := func() error {
		now, err := l.Boundary(ctx)
		if err != nil {
			return err
		}
		if now.IsClosed(c.Day) {
			return ErrClosed
		}
		files, err := opensOf(ctx, l, t, now, c.Day)
		if err == nil && (!now.writesClosed(c.Day) || !sameFiles(listed, filesOf(files))) {
			err = ErrChanged
		}
		return err
	}
	var rows, bytesOfAll, openSum int64
	var all [][]slice
	written := 0
	keys := map[string]bool{}
	for len(opens) > 0 {
		n, size := 0, int64(0)
		for n < len(opens) && (n == 0 || size+opens[n].Size <= closedBytes) {
			size += opens[n].Size
			n++
		}
		data, slices, err := closedOf(ctx, l, t, c.Day, opens[:n])
		if err != nil {
			return err
		}
		opens = opens[n:]
		key := closedKey(t, c.Day, len(all)+1)
		keys[key] = true
		err = l.Update(ctx, key, func(old []byte) ([]byte, error) {
			if old != nil && bytes.Equal(old, data) {
				return nil, nil
			}
			if err := valid(); err != nil {
				return nil, err
			}
			written++
			return data, nil
		})
		if err != nil {
			return err
		}
		all = append(all, slices)
		bytesOfAll, openSum = bytesOfAll+int64(len(data)), openSum+size
		for _, s := range slices {
			rows += s.rows
		}
	}
	// What an attempt that saw other rows, or was killed, left.
	held, err := closedFiles(ctx, l, t, c.Day, c.Day+1)
	if err != nil {
		return err
	}
	for _, f := range held {
		if keys[f.Key] {
			continue
		}
		err := l.Update(ctx, f.Key, func([]byte) ([]byte, error) {
			if err := valid(); err != nil {
				return nil, err
			}
			return nil, ErrRemove
		})
		if err != nil {
			return err
		}
		written++
	}
	c.opens[t.Name()], c.slices[t.Name()] = listed, all
	c.Rows += rows
	c.Bytes += bytesOfAll
	c.OpenSum += openSum
	c.Open += len(listed)
	c.Written += written
	return nil
}

// closedOf makes a closed file of open files.
func closedOf(ctx context.Context, l *Lake, t closedTable, day athenatrail.Date, opens []PartitionFile) ([]byte, []slice, error) {
	changes := make([]change, len(opens))
	for i, f := range opens {
		data, err := l.Read(ctx, f.Key)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, ErrChanged
		}
		if err != nil {
			return nil, nil, err
		}
		with, err := rowfile.Metadata(data, int64(len(data)), derivedWithKey)
		if err == nil {
			err = t.known(data)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s cannot be read: %w; %s", f.Key, err, hintRebuild)
		}
		changes[i] = change{f.Partition, data, with}
	}
	return t.rewrite(ctx, day, nil, changes)
}

// known is [ErrNewer] if a file has columns that would be lost in a copy.
func (t *Table[T]) known(data []byte) error {
	foreign, err := rowfile.Foreign[T](data)
	if err == nil && len(foreign) > 0 {
		err = fmt.Errorf("%w: the file has columns %q that this athenatrail does not know: install a newer one", ErrNewer, foreign)
	}
	return err
}

// Holds reports whether the closed files still are what the open files give.
func (c *Closing) Holds(ctx context.Context, l *Lake) (bool, error) {
	b, err := l.Boundary(ctx)
	if err != nil {
		return false, err
	}
	for _, t := range allTables {
		opens, err := opensOf(ctx, l, t, b, c.Day)
		if err != nil {
			return false, err
		}
		if !sameFiles(c.opens[t.Name()], filesOf(opens)) {
			return false, nil
		}
		held, err := readClosedDay(ctx, l, t, c.Day)
		if err != nil {
			return false, err
		}
		if !slices.EqualFunc(c.slices[t.Name()], held.slices, func(a, b []slice) bool {
			return slices.EqualFunc(a, b, func(a, b slice) bool { return a.Partition == b.Partition && a.is(b) })
		}) {
			return false, nil
		}
	}
	return true, nil
}

// OpenDays returns the days, before one, that have open files and are read from
// them, in order.
func OpenDays(ctx context.Context, l *Lake, before athenatrail.Date) ([]athenatrail.Date, error) {
	b, err := l.Boundary(ctx)
	if err != nil {
		return nil, err
	}
	days := map[athenatrail.Date]bool{}
	for _, t := range allTables {
		openPartitions(ctx, l, t, max(b.Before, firstDay), before, func(f PartitionFile, e error) bool {
			days[f.Date] = true
			err = e
			return e == nil
		})
		if err != nil {
			return nil, err
		}
	}
	return sortedDays(days), nil
}

// RemoveOpen removes the open files of days that have been closed for a time of
// grace at now, and returns how many, and their bytes. In a dry run it only
// counts them.
func RemoveOpen(ctx context.Context, l *Lake, now time.Time, grace time.Duration, dry bool) (files int, size int64, err error) {
	b, err := l.Boundary(ctx)
	if err != nil || b.Before == 0 {
		return 0, 0, err
	}
	moved, err := l.moved(ctx)
	if err != nil {
		return 0, 0, err
	}
	if _, ok := moved[b.Before]; !ok && !dry {
		// Whoever moved it was killed before noting it.
		if err := l.noteMoved(ctx, b.Before); err != nil {
			return 0, 0, err
		}
		moved[b.Before] = now
	}
	var before athenatrail.Date
	for day, at := range moved {
		if day <= b.Before && now.Sub(at) >= grace {
			before = max(before, day)
		}
	}
	for _, t := range allTables {
		var gone []File
		openPartitions(ctx, l, t, firstDay, before, func(f PartitionFile, e error) bool {
			if err = e; err == nil {
				gone = append(gone, f.File)
			}
			return err == nil
		})
		if err != nil {
			return files, size, err
		}
		for _, f := range gone {
			files, size = files+1, size+f.Size
			if dry {
				continue
			}
			if err := l.Delete(ctx, f.Key); err != nil {
				return files, size, fmt.Errorf("remove the open files of closed days: %w", err)
			}
		}
	}
	for day := range moved {
		if day < before && !dry { // the last tells all that is to be known
			if err := l.Delete(ctx, movedDir+day.String()); err != nil {
				return files, size, err
			}
		}
	}
	return files, size, nil
}

// RemoveOld removes the files of tables with rows of days before those that are
// kept, and returns how many.
func RemoveOld(ctx context.Context, l *Lake) (files int, size int64, err error) {
	b, err := l.Boundary(ctx)
	if err != nil {
		return 0, 0, err
	}
	for _, t := range allTables {
		from := b.KeptFrom[t.Name()]
		if from == 0 {
			continue
		}
		for _, dir := range []string{t.closedDir(), t.dir()} {
			var gone []File
			for file, err := range l.List(ctx, dir) {
				if err != nil {
					return files, size, err
				}
				if day, ok := dayOf(strings.TrimPrefix(file.Key, dir)); ok && day < from {
					gone = append(gone, file)
				}
			}
			for _, f := range gone {
				if err := l.Delete(ctx, f.Key); err != nil {
					return files, size, fmt.Errorf("remove what is not kept: %w", err)
				}
				files, size = files+1, size+f.Size
			}
		}
	}
	return files, size, nil
}

// dayOf reads the day out of what follows a dataset's folder in a key.
func dayOf(name string) (athenatrail.Date, bool) {
	folder, _, _ := strings.Cut(name, "/")
	text, ok := strings.CutPrefix(folder, "dt=")
	if !ok {
		return 0, false
	}
	day, err := athenatrail.ParseDate(text)
	return day, err == nil
}
