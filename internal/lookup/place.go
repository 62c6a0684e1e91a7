package lookup

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/source"
)

const (
	// maxSlices is how many slices of a place may wait for an answer or for
	// the store: enough for two calls a second that take half a minute.
	maxSlices = 64

	// maxFailures is how many calls of a slice in a row may fail otherwise
	// than by throttling, and maxLost how many tokens in a row may be refused
	// without a second gained between them, before the place is given up.
	maxFailures = 6
	maxLost     = 6

	// firstPause and longestPause are what a slice waits after a failure, the
	// former doubled with every further one.
	firstPause   = 500 * time.Millisecond
	longestPause = 20 * time.Second

	// leaving is how old, less than History, events are that are asked for
	// first: CloudTrail may forget them before the run is done.
	leaving = 6 * time.Hour
)

// A place is what a feed knows of an account's region.
type place struct {
	Place
	feed *Feed
	name string // lookup-events:ACCOUNT/REGION
	pace *pace

	client  *cloudtrail.Client
	covered *coverage
}

func newPlace(f *Feed, at Place) *place {
	return &place{Place: at, feed: f, name: Name + ":" + at.Account + "/" + at.Region, pace: newPace(f.o.Rate)}
}

// missing returns what of the window is to be asked for, by the feed's events.
// The ledger is read once; later runs of the feed know what it stored.
func (p *place) missing(ctx context.Context, window span, now time.Time) ([]*slice, error) {
	if p.covered == nil {
		c := &coverage{lateness: int64(p.feed.o.Lateness / time.Second)}
		from := athenatrail.DateOf(at(window.from))
		for name, err := range p.feed.o.Ledger.Named(ctx, p.Account, p.Region, from, p.name+"/") {
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			if r, ok := parseRow(p.name, name.Key, name.ETag); ok {
				c.add(r)
			}
		}
		p.covered = c
	}
	var all []*slice
	for _, event := range p.feed.o.Events {
		for _, s := range p.covered.missing(event, window, now.Unix()) {
			all = append(all, &slice{event: event, span: s})
		}
	}
	return urgentFirst(all, now), nil
}

// connect makes the client.
func (p *place) connect(ctx context.Context) error {
	if p.client != nil {
		return nil
	}
	cfg, err := p.feed.o.Config(ctx, p.Account, p.Region)
	if err != nil {
		return awsconn.Explained(err)
	}
	cfg.Region = p.Region
	p.client = newClient(cfg)
	return nil
}

// A reading is one run over a place. One goroutine has it; others make its
// calls and store its pages.
type reading struct {
	*place
	asked   time.Time // when the run began
	store   func(context.Context, source.Page) error
	slices  []*slice
	results chan result

	busy     int
	answered bool  // a page is in place
	failed   error // why the place is given up
	unstored error // the store's error
}

// A result is what became of a slice's call.
type result struct {
	of     *slice
	as     slice // of, after the answer
	placed span
	last   bool
	err    error
	stored error
}

// read asks for what is missing. The error is the ledger's, the store's, or
// ctx's own; what cannot be asked is in the state.
func (p *place) read(ctx context.Context, now time.Time, window span, store func(context.Context, source.Page) error) (source.FeedState, error) {
	state := source.FeedState{Name: p.name}
	missing, err := p.missing(ctx, window, now)
	if err != nil {
		return state, err
	}
	r := &reading{place: p, asked: now, store: store, slices: missing, results: make(chan result, maxSlices)}
	if len(r.slices) > 0 {
		if r.failed = p.connect(ctx); r.failed == nil {
			r.run(ctx)
		}
	}
	switch {
	case r.unstored != nil:
		return state, r.unstored
	case ctx.Err() != nil:
		return state, ctx.Err()
	}
	if state.Err = r.failed; r.answered || len(r.slices) == 0 {
		state.Asked = at(window.to)
	}
	for _, s := range r.slices {
		if from := at(s.from); state.Missed.IsZero() || from.Before(state.Missed) {
			state.Missed = from
		}
	}
	return state, nil
}

// urgentFirst cuts off and puts first what CloudTrail is about to forget.
func urgentFirst(missing []*slice, now time.Time) []*slice {
	limit := now.Add(leaving - History).Unix()
	var urgent, rest []*slice
	for _, s := range missing {
		if s.from < limit {
			urgent = append(urgent, &slice{event: s.event, span: s.and(span{s.from, limit})})
			s.from = limit
		}
		if !s.empty() {
			rest = append(rest, s)
		}
	}
	return append(urgent, rest...)
}

// run makes a call whenever one may be made, until nothing is left or the
// place is given up.
func (r *reading) run(ctx context.Context) {
	for r.failed == nil && len(r.slices) > 0 {
		select {
		case done := <-r.results:
			r.take(done)
			continue
		case <-ctx.Done():
			r.failed = ctx.Err()
			continue
		default:
		}
		now := time.Now()
		wait := r.pace.delay(now)
		if wait <= 0 {
			s, ready := r.pick(now)
			if s != nil {
				r.begin(ctx, s)
				continue
			}
			wait = ready.Sub(now) // negative when all slices are under way
		}
		var timer <-chan time.Time
		if wait > 0 {
			timer = time.After(wait)
		}
		select {
		case done := <-r.results:
			r.take(done)
		case <-timer:
		case <-ctx.Done():
			r.failed = ctx.Err()
		}
	}
	for r.busy > 0 {
		r.take(<-r.results)
	}
}

// pick returns the slice whose turn it is. Where all wait for answers it
// begins a new one, but not while calls fail: they would fail the faster. Of
// slices that pause, it tells when the first may go on.
func (r *reading) pick(now time.Time) (s *slice, ready time.Time) {
	trouble := false
	for _, s := range r.slices {
		trouble = trouble || s.failures > 0
		switch {
		case s.busy:
		case !s.notBefore.After(now):
			return s, now
		case ready.IsZero() || s.notBefore.Before(ready):
			ready = s.notBefore
		}
	}
	if trouble || r.busy >= maxSlices {
		return nil, ready
	}
	var most *slice
	for _, s := range r.slices {
		if most == nil || s.left() > most.left() {
			most = s
		}
	}
	if older := most.split(); older != nil {
		r.slices = append(r.slices, older)
		return older, now
	}
	return nil, ready
}

// begin makes a slice's next call.
func (r *reading) begin(ctx context.Context, s *slice) {
	select {
	case r.feed.pages <- struct{}{}:
	case <-ctx.Done():
		r.failed = ctx.Err()
		return
	}
	r.pace.take(time.Now())
	in := s.input()
	s.busy = true
	r.busy++
	as := *s // the slice may be split meanwhile
	go func() {
		done := r.ask(ctx, as, in)
		<-r.feed.pages
		done.of = s
		r.results <- done
	}()
}

// ask makes one call and stores its page.
func (r *reading) ask(ctx context.Context, s slice, in *cloudtrail.LookupEventsInput) (done result) {
	sent := time.Now()
	out, err := r.client.LookupEvents(ctx, in)
	switch {
	case err == nil:
		r.pace.answered()
	case isThrottled(err):
		r.pace.throttled(sent)
	}
	if done.err = err; err == nil {
		done.placed, done.last, done.err = s.answer(out)
	}
	done.as = s
	if done.err != nil || len(out.Events) == 0 && !done.last {
		return done
	}
	done.stored = r.store(ctx, r.page(&s, done.placed, logFile(out.Events)))
	return done
}

// page returns what is stored of an answer.
func (r *reading) page(s *slice, placed span, body []byte) source.Page {
	return source.Page{
		Object: source.Object{
			Key:       row{event: s.event, span: placed}.key(r.name, s.number),
			ETag:      stamp(r.asked.Unix()),
			Size:      int64(len(body)),
			Account:   r.Account,
			Region:    r.Region,
			Delivered: at(placed.to),
		},
		Body: body,
	}
}

// take goes on from a call that came back.
func (r *reading) take(done result) {
	s := done.of
	s.busy = false
	r.busy--
	if done.stored != nil {
		r.unstored = errors.Join(r.unstored, done.stored)
		r.failed = done.stored
		return
	}
	if err := done.err; err != nil {
		r.repeat(s, err)
		return
	}
	from := s.from // of a slice that was split, it is no longer what it was
	*s = done.as
	s.from, s.busy, s.failures = from, false, 0
	if !done.placed.empty() {
		r.covered.add(row{s.event, done.placed, r.asked.Unix()})
	}
	r.answered = true
	if done.last || s.empty() {
		r.drop(s)
	}
}

func (r *reading) drop(s *slice) {
	for i := range r.slices {
		if r.slices[i] == s {
			r.slices = append(r.slices[:i], r.slices[i+1:]...)
			return
		}
	}
}

// repeat decides what an error means. A throttled call is simply made again,
// when the pace allows; a token that was refused leaves the slice to go on
// from the oldest second that is in place.
func (r *reading) repeat(s *slice, err error) {
	switch {
	case isThrottled(err):
	case isLostToken(err) && s.token != "" && s.lost < maxLost:
		s.forget()
	case isTransient(err):
		s.failures++
		if s.failures >= maxFailures {
			r.giveUp(fmt.Errorf("after %d calls: %w", s.failures, explained(err)))
		}
		s.notBefore = time.Now().Add(pause(s.failures))
	default:
		r.giveUp(explained(err))
	}
}

// giveUp notes the first reason.
func (r *reading) giveUp(err error) {
	if r.failed == nil {
		r.failed = err
	}
}

// pause returns how long to wait after so many failures: a random half of it.
func pause(failures int) time.Duration {
	longest := min(longestPause, firstPause<<min(failures-1, 10))
	return longest/2 + rand.N(longest/2+1)
}
