package web

import (
	"context"
	"net/url"
	"slices"
	"sync"
	"time"
)

// maxRecent is how many pages are asked for again when the lake changed, and
// recentFor how long after they were last read.
const (
	maxRecent = 40
	recentFor = 12 * time.Hour
)

// recent are the pages that were read last, the newest at the end.
type recent struct {
	mu   sync.Mutex
	list []visit
}

// A visit is a page as somebody with a role asked for it.
type visit struct {
	page  *page
	query string
	who   *principal
	at    time.Time
}

func (v visit) same(o visit) bool {
	return v.page == o.page && v.query == o.query && v.who.scope.Key() == o.who.scope.Key()
}

func (r *recent) add(v visit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = slices.DeleteFunc(r.list, v.same)
	if r.list = append(r.list, v); len(r.list) > maxRecent {
		r.list = slices.Delete(r.list, 0, 1)
	}
}

// since returns the pages that were read since then, the newest first.
func (r *recent) since(t time.Time) (list []visit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range slices.Backward(r.list) {
		if v.at.After(t) {
			list = append(list, v)
		}
	}
	return list
}

// again asks of a snapshot that nobody reads yet for the pages that were read
// lately, so that it remembers their answers.
func (s *Server) again(ctx context.Context, snap *snapshot) {
	for _, v := range s.recent.since(s.o.now().Add(-recentFor)) {
		values, err := url.ParseQuery(v.query)
		if err != nil || ctx.Err() != nil {
			return
		}
		if q, err := s.ask(ctx, v.who, snap, values); err == nil {
			s.show(ctx, q, v.page)
		}
	}
}
