package export

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/athenatrail/athenatrail"
)

const (
	// A destination on S3 answers in tens of milliseconds, and a year has 8760
	// hours, so some files are written side by side: as many as fit the
	// bytes, each counted as one eighth of them at least.
	writingBytes = 64 << 20
	leastBytes   = writingBytes / 8
)

// A writer writes files while the next ones are being made.
type writer struct {
	plan  *plan
	ctx   context.Context
	group *errgroup.Group
	room  *semaphore.Weighted

	mu   sync.Mutex // of plan's summary
	done int
}

func (p *plan) newWriter(ctx context.Context) *writer {
	group, ctx := errgroup.WithContext(ctx)
	return &writer{plan: p, ctx: ctx, group: group, room: semaphore.NewWeighted(writingBytes)}
}

// finish writes an hour's file from what was put aside for it.
func (p *plan) finish(ctx context.Context, aside *spool, out *writer, hour int) error {
	records, err := aside.take(hour)
	if err != nil {
		return err
	}
	h := p.hours[hour]
	key := h.Folder() + "/" + p.set.file(h) + "." + string(p.Output)
	rows, err := unpack(records)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	l := &layout{output: p.Output, columns: p.set.columns, noHeader: p.NoHeader, formulas: p.Formulas}
	data, err := l.encode(rows.cells(h, p.set.columns))
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	waiting := int64(0)
	for i := range rows.rows {
		if athenatrail.GapIsOpen(rows.rows[i].gap) {
			waiting++
		}
	}
	return out.write(key, data, int64(len(rows.rows)), waiting)
}

// write replaces a file unless it is what it should be. It may return before
// that is done, and with the error of an earlier file.
func (w *writer) write(key string, data []byte, rows, waiting int64) error {
	size := min(max(int64(len(data)), leastBytes), writingBytes)
	if err := w.room.Acquire(w.ctx, size); err != nil {
		return cmp.Or(w.group.Wait(), context.Cause(w.ctx)) // the former has the reason, if it was a file
	}
	w.group.Go(func() error {
		defer w.room.Release(size)
		wrote, err := w.replace(key, data)
		if err != nil {
			return &marked{err, ErrDestination} // the store says of which file
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		s := &w.plan.sum
		if wrote {
			s.Written++
		} else {
			s.Unchanged++
		}
		s.Rows += rows
		s.Bytes += int64(len(data))
		if waiting > 0 {
			s.Waiting += waiting
			s.WaitingHours++
		}
		w.done++
		if w.plan.Progress != nil {
			w.plan.Progress(w.done, len(w.plan.hours))
		}
		return nil
	})
	return nil
}

// replace reports whether the file was, or in a dry run would be, written.
func (w *writer) replace(key string, data []byte) (wrote bool, err error) {
	if w.plan.DryRun {
		old, err := w.plan.Dest.Read(w.ctx, key)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		return err != nil || !bytes.Equal(old, data), nil
	}
	err = w.plan.Dest.Update(w.ctx, key, func(old []byte) ([]byte, error) {
		if old != nil && bytes.Equal(old, data) {
			return nil, nil
		}
		wrote = true // and stays so if it has to be tried again
		return data, nil
	})
	return wrote, err
}

// close waits for the files that are being written.
func (w *writer) close() error { return w.group.Wait() }
