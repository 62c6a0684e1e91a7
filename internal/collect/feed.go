package collect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/source"
)

// readFeeds asks the feeds for what they have, and stores it page by page.
func (r *run) readFeeds(ctx context.Context) error {
	if len(r.Feeds) == 0 || r.stopped() {
		return nil
	}
	asking, cancel := r.untilStopped(ctx)
	defer cancel()
	group, c := errgroup.WithContext(asking)
	pages := &pages{run: r, in: make(chan *page)}
	stored := make(chan error, 1)
	go func() { stored <- pages.storeAll(ctx) }()
	for _, feed := range r.Feeds {
		group.Go(func() error {
			states, err := feed.Read(c, pages.store)
			if err != nil {
				return fmt.Errorf("%s: %w", feed.Name(), err)
			}
			r.locked(func() { r.feeds = append(r.feeds, states...) })
			return nil
		})
	}
	err := group.Wait()
	close(pages.in)
	if failed := <-stored; failed != nil {
		return failed
	}
	if err != nil && ctx.Err() == nil && r.stopped() {
		return nil
	}
	return err
}

// A page is what a page of a feed held, until it is stored.
type page struct {
	facts cloudtrail.Facts
	file  ledger.File
	done  chan error
}

// pages stores pages as they come. Those that come while others are being
// stored are stored together next.
type pages struct {
	run     *run
	in      chan *page
	readers sync.Pool
}

// store reads a page, and returns when its facts are in place.
func (s *pages) store(ctx context.Context, p source.Page) error {
	reader, _ := s.readers.Get().(*cloudtrail.Reader)
	if reader == nil {
		reader = cloudtrail.NewReader(s.run.Limits)
	}
	defer s.readers.Put(reader)
	read := &page{done: make(chan error, 1)}
	tally, err := reader.Read(bytes.NewReader(p.Body), func(f *cloudtrail.Facts) error {
		read.facts.Append(f)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", p.Key, err)
	}
	s.run.locked(func() { read.file, _ = s.run.account(job{Object: p.Object}, tally, nil) })
	select {
	case s.in <- read:
	case <-ctx.Done():
		return ctx.Err()
	}
	return <-read.done
}

// errNotStored is what pages that come after a failure are told.
var errNotStored = errors.New("pages before this one could not be stored")

// storeAll stores pages until no more come. After a failure it stores nothing.
func (s *pages) storeAll(ctx context.Context) error {
	var failed error
	total := int64(0)
	for first := range s.in {
		together := []*page{first}
		for more := true; more; {
			select {
			case p, ok := <-s.in:
				if more = ok; ok {
					together = append(together, p)
				}
			default:
				more = false
			}
		}
		if failed != nil {
			for _, p := range together {
				p.done <- errNotStored
			}
			continue
		}
		var facts cloudtrail.Facts
		var files []ledger.File
		for _, p := range together {
			facts.Append(&p.facts)
			files = append(files, p.file)
		}
		failed = s.run.store(ctx, &facts, files)
		for _, p := range together {
			p.done <- failed
		}
		total += int64(len(together))
		s.run.progress(Progress{Stage: StageFeeds, Done: total, Total: -1})
	}
	return failed
}

// finishFeeds records how far each feed came.
func (r *run) finishFeeds(ctx context.Context) error {
	for _, f := range r.feeds {
		if f.Err != nil {
			r.sum.problem("%s: %v%s", f.Name, f.Err, hintOf(f.Err))
		}
		if f.Asked.IsZero() {
			continue // nothing can be said of it
		}
		s := ledger.Source{Name: f.Name, NewestDelivered: f.Asked, OldestUnread: f.Missed, UpdatedBy: r.RunID}
		if !f.Missed.IsZero() {
			s.Unread = 1
		}
		if err := r.Ledger.SetSource(ctx, s); err != nil {
			return fmt.Errorf("write the ledger: %w", err)
		}
	}
	return nil
}
