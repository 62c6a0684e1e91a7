package lake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake/rowfile"
)

// boundaryKey holds one row with one column, dt: the day before which tables
// are read from their closed files. Every engine reads it.
const boundaryKey = "tables/boundary/boundary.parquet"

// Keys of the boundary's metadata, for those who write tables.
const (
	closingKey  = "athenatrail.closing"
	keptFromKey = "athenatrail.kept_from"
)

// A Boundary says where the rows of a day are. The zero value is that of a lake
// which was never compacted.
type Boundary struct {
	// Before is the day before which tables are read from closed files alone,
	// and from which on from open files alone.
	Before athenatrail.Date

	// Closing is the day before which days are being closed; not after Before
	// if none are. Whoever derives one of them writes both its files.
	Closing athenatrail.Date

	// KeptFrom has the first day whose rows are kept, by name of table; all
	// are kept of a table that it does not name.
	KeptFrom map[string]athenatrail.Date
}

// A boundaryRow is the row of boundary.parquet. A day of Parquet is a DATE.
type boundaryRow struct {
	Dt int32 `parquet:"dt,date"`
}

var boundaryFormat = &rowfile.Format[boundaryRow]{}

// IsClosed reports whether a day is read from closed files.
func (b Boundary) IsClosed(day athenatrail.Date) bool { return day < b.Before }

// Keeps reports whether a table's rows of a day are kept.
func (b Boundary) Keeps(table string, day athenatrail.Date) bool { return day >= b.KeptFrom[table] }

// writesClosed reports whether who derives a day writes its closed file.
func (b Boundary) writesClosed(day athenatrail.Date) bool {
	return day < b.Before || day < b.Closing
}

// sameFor reports whether who derives a day would write the same files with
// another boundary.
func (b Boundary) sameFor(day athenatrail.Date, now Boundary) bool {
	if b.writesClosed(day) != now.writesClosed(day) {
		return false
	}
	for _, t := range allTables {
		if b.Keeps(t.Name(), day) != now.Keeps(t.Name(), day) {
			return false
		}
	}
	return true
}

// Boundary reads the lake's boundary as it is now.
func (l *Lake) Boundary(ctx context.Context) (Boundary, error) {
	asked := time.Now()
	data, err := l.Store.Read(ctx, boundaryKey)
	var b Boundary
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	case err == nil:
		b, err = parseBoundary(data)
	}
	if err != nil {
		return Boundary{}, fmt.Errorf("read the boundary of closed days: %w", err)
	}
	l.boundary.set(b, asked)
	return b, nil
}

func parseBoundary(data []byte) (b Boundary, err error) {
	n := 0
	for row, err := range rowfile.Rows[boundaryRow](data) {
		if err != nil {
			return b, err
		}
		b.Before, n = athenatrail.Date(row.Dt), n+1
	}
	if n != 1 || b.Before < firstDay || b.Before > lastDay {
		return Boundary{}, fmt.Errorf("%d rows, the last of day %d: want one row with a day", n, b.Before)
	}
	size := int64(len(data))
	closing, err := rowfile.Metadata(data, size, closingKey)
	if err == nil && closing != "" {
		b.Closing, err = athenatrail.ParseDate(closing)
	}
	if err != nil {
		return Boundary{}, err
	}
	kept, err := rowfile.Metadata(data, size, keptFromKey)
	if err != nil || kept == "" {
		return b, err
	}
	var days map[string]string
	if err := json.Unmarshal([]byte(kept), &days); err != nil {
		return Boundary{}, fmt.Errorf("%s: %w", keptFromKey, err)
	}
	b.KeptFrom = map[string]athenatrail.Date{}
	for table, day := range days {
		if b.KeptFrom[table], err = athenatrail.ParseDate(day); err != nil {
			return Boundary{}, fmt.Errorf("%s: %w", keptFromKey, err)
		}
	}
	return b, nil
}

func (b Boundary) encode() ([]byte, error) {
	var out bytes.Buffer
	w := boundaryFormat.NewWriter(&out)
	if b.Closing > b.Before {
		w.SetMetadata(closingKey, b.Closing.String())
	}
	if len(b.KeptFrom) > 0 {
		days := map[string]string{}
		for table, day := range b.KeptFrom {
			days[table] = day.String()
		}
		text, err := json.Marshal(days) // with sorted keys
		if err != nil {
			return nil, err
		}
		w.SetMetadata(keptFromKey, string(text))
	}
	if err := w.Write(&boundaryRow{int32(b.Before)}); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// changeBoundary changes the boundary by one conditional write.
func (l *Lake) changeBoundary(ctx context.Context, change func(*Boundary)) error {
	var now Boundary
	err := l.Update(ctx, boundaryKey, func(old []byte) ([]byte, error) {
		now = Boundary{}
		if old != nil {
			var err error
			if now, err = parseBoundary(old); err != nil {
				return nil, err
			}
		}
		was := now
		was.KeptFrom = maps.Clone(now.KeptFrom)
		change(&now)
		if old != nil && was.Before == now.Before && was.Closing == now.Closing && maps.Equal(was.KeptFrom, now.KeptFrom) {
			return nil, nil
		}
		return now.encode()
	})
	if err != nil {
		return fmt.Errorf("write the boundary of closed days: %w", err)
	}
	l.boundary.set(now, time.Now())
	return nil
}

// boundaryAge is for how long a reader may take the boundary to be where it
// was. What is read by an older one is the same rows, as long as the open files
// of a day that was closed stay for longer than this.
const boundaryAge = 10 * time.Second

// A boundaryMemo is the boundary as it was read last.
type boundaryMemo struct {
	mu sync.Mutex
	b  Boundary
	at time.Time
}

// set remembers what was asked for at a time, unless something later is known.
func (m *boundaryMemo) set(b Boundary, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at.After(m.at) {
		m.b, m.at = b, at
	}
}

// recentBoundary returns the boundary as it is or was a moment ago.
func (l *Lake) recentBoundary(ctx context.Context) (Boundary, error) {
	m := &l.boundary
	m.mu.Lock()
	b, fresh := m.b, !m.at.IsZero() && time.Since(m.at) < boundaryAge
	m.mu.Unlock()
	if fresh {
		return b, nil
	}
	return l.Boundary(ctx)
}

// movedDir holds an empty file for each day that the boundary was moved to. Its
// time tells since when the open files before it are not read any more.
const movedDir = "_ledger/v1/boundary/"

// noteMoved notes that the boundary was moved to a day, unless it is noted.
func (l *Lake) noteMoved(ctx context.Context, day athenatrail.Date) error {
	err := l.Update(ctx, movedDir+day.String(), func(old []byte) ([]byte, error) {
		if old != nil {
			return nil, nil
		}
		return []byte{}, nil
	})
	if err != nil {
		return fmt.Errorf("note that days are closed: %w", err)
	}
	return nil
}

// moved returns the days that the boundary was moved to, and when.
func (l *Lake) moved(ctx context.Context) (map[athenatrail.Date]time.Time, error) {
	all := map[athenatrail.Date]time.Time{}
	for file, err := range l.List(ctx, movedDir) {
		if err != nil {
			return nil, fmt.Errorf("list when days were closed: %w", err)
		}
		if day, err := athenatrail.ParseDate(strings.TrimPrefix(file.Key, movedDir)); err == nil {
			all[day] = file.Modified
		}
	}
	return all, nil
}
