package collect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/ledger"
)

// flushSize is how many bytes of facts are gathered before they are stored. A
// worker stores them while the others read on, until twice as many have come.
const flushSize = 8 << 20

// A batch is facts that are not stored yet, and the log files that are wholly
// among them and those stored before, with their rows of the ledger.
type batch struct {
	facts cloudtrail.Facts
	files []ledger.File
	jobs  []job
}

// read lists log files, reads them and stores their facts, all side by side.
func (r *run) read(ctx context.Context) error {
	var (
		storing  sync.Mutex // batches are stored one after the other: see store
		current  = &batch{} // guarded by mu
		done     atomic.Int64
		doneLen  atomic.Int64
		group, c = errgroup.WithContext(ctx)
		parts    = make(chan []job) // listed
		next     = make(chan job)
	)
	flush := func(ctx context.Context) error { // storing is held
		var b *batch
		r.locked(func() { b, current = current, &batch{} })
		if err := r.store(ctx, &b.facts, b.files); err != nil {
			return err
		}
		for _, j := range b.jobs {
			r.settle(ctx, j, nil)
		}
		return nil
	}
	room := func(ctx context.Context) error {
		size := 0
		r.locked(func() { size = current.facts.Size() })
		switch {
		case size < flushSize:
			return nil
		case size < 2*flushSize:
			if !storing.TryLock() {
				return nil
			}
		default:
			storing.Lock()
		}
		defer storing.Unlock()
		return flush(ctx)
	}
	progress := func(done int64) {
		total := int64(0)
		r.locked(func() { total = r.sum.ToRead })
		r.progress(Progress{Stage: StageRead, Done: done, Total: total, Bytes: doneLen.Load()})
	}
	group.Go(func() error {
		defer close(parts)
		return r.list(c, func(jobs []job) error {
			select {
			case parts <- jobs:
				return nil
			case <-c.Done():
				return c.Err()
			}
		})
	})
	group.Go(func() error {
		defer close(next)
		progress(0)
		for jobs := range parts {
			for i, j := range jobs {
				select {
				case <-r.Stop:
					r.leave(c, jobs[i:])
				case <-c.Done():
					return c.Err()
				case next <- j:
					continue
				}
				break
			}
		}
		return nil
	})
	for range r.Jobs {
		group.Go(func() error {
			reader := cloudtrail.NewReader(r.Limits)
			for j := range next {
				listed := j
				tally, err := r.readFile(c, reader, &j, func(f *cloudtrail.Facts) error {
					r.locked(func() { current.facts.Append(f) })
					if err := room(c); err != nil {
						return storeError{err}
					}
					return nil
				})
				if full := (storeError{}); errors.As(err, &full) {
					return full.error
				}
				if c.Err() != nil {
					return c.Err()
				}
				fetched := false
				r.locked(func() {
					var file ledger.File
					if file, fetched = r.account(j, tally, err); fetched {
						current.files = append(current.files, file)
						current.jobs = append(current.jobs, listed)
					}
				})
				if !fetched {
					r.settle(c, listed, err)
				}
				doneLen.Add(max(0, j.Size))
				progress(done.Add(1))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return flush(ctx)
}

// leave notes log files that a stopped run does not read.
func (r *run) leave(ctx context.Context, jobs []job) {
	r.locked(func() {
		r.sum.Left += int64(len(jobs))
		for _, j := range jobs {
			j.from.missed(j.Object)
		}
	})
	for _, j := range jobs {
		r.settle(ctx, j, errLeft)
	}
}

// errLeft is what a queue is told of log files that a stopped run leaves.
var errLeft = errors.New("the run was stopped")

// A storeError is a failure to store facts, which ends the run; a failure to
// read a log file does not.
type storeError struct{ error }

// readFile reads one log file. What came on standard input gets the name of
// its content, so that the ledger knows it again.
func (r *run) readFile(ctx context.Context, reader *cloudtrail.Reader, j *job, emit func(*cloudtrail.Facts) error) (cloudtrail.Tally, error) {
	body, err := j.from.Open(ctx, j.Object)
	if err != nil {
		return cloudtrail.Tally{}, err
	}
	defer body.Close()
	var file io.Reader = body
	sum, size := sha256.New(), counter(0)
	if j.Key == stdinKey {
		file = io.TeeReader(body, io.MultiWriter(sum, &size))
	}
	tally, err := reader.Read(file, emit)
	if err == nil {
		// What follows the last record is part of the file all the same.
		_, err = io.Copy(io.Discard, file)
	}
	if j.Key == stdinKey {
		j.ETag = hex.EncodeToString(sum.Sum(nil))
		j.Key, j.Size = "stdin:sha256:"+j.ETag, int64(size)
	}
	return tally, err
}

// stdinKey is the key of standard input until it has been read.
const stdinKey = "-"

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// account adds a file, or a page of a feed, that was read to the summary, and
// returns its row of the ledger. A file that was not fetched has none. mu is
// held.
func (r *run) account(j job, t cloudtrail.Tally, err error) (row ledger.File, fetched bool) {
	if err != nil {
		r.sum.Unread++
		r.sum.problem("read %s: %v", j.Key, err)
		j.from.missed(j.Object)
		return ledger.File{}, false
	}
	if j.from != nil {
		r.sum.Read++
		r.sum.ReadLen += j.Size
	} else {
		r.sum.Pages++
	}
	r.sum.Inflated += t.Inflated
	r.sum.Records += t.Records
	r.sum.Candidates += t.Candidates
	r.sum.Kept += t.Kept.Events + t.Kept.RoleSessions + t.Kept.DataAccess
	for _, n := range t.Dropped {
		r.sum.Dropped += n
	}
	r.sum.Undecodable += t.Undecodable
	if t.Undecodable > 0 || t.Damage != "" {
		r.sum.Damaged++
	}
	for i, p := range t.Problems {
		if i == 3 && len(t.Problems) > 4 {
			r.sum.problem("read %s: %d more records could not be decoded", j.Key, t.Undecodable-3)
			break
		}
		r.sum.problem("read %s: at byte %d: %s", j.Key, p.Offset, p.Why)
	}
	if t.Damage != "" {
		r.sum.problem("read %s: %s", j.Key, t.Damage)
	}
	delivered := j.Delivered
	if delivered.IsZero() {
		delivered = t.Newest
	}
	if j.from != nil {
		j.from.sawDelivered(delivered)
	}
	return fileRow(j.Object, t), true
}
