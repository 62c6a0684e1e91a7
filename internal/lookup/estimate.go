package lookup

import (
	"context"
	"math"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"golang.org/x/sync/errgroup"
)

const (
	// probes is how many calls a round of an estimate makes, and rounds how
	// many there are at most. Those of a round are evenly over the time and
	// over the hours of the day, and so are those in a sixth of the time over
	// the rounds. Four rounds have every hour once.
	probes = 6
	rounds = 4

	daySeconds = 24 * 60 * 60
)

// An Estimate is what Read would ask in a place.
type Estimate struct {
	Place
	Name string // as FeedState's

	Calls int
	Time  time.Duration // at the place's pace; places are asked side by side

	// Exact says that all of it was counted. Otherwise it is drawn from up to
	// 24 pages over the time, the hours of the day and the days of the week,
	// each of which tells how much time 50 events take. It is then mostly
	// right within a tenth; within a third where nearly all of a week's events
	// come in a few hours of it.
	Exact bool

	Spent int   // calls that the estimate made
	Err   error // why the place cannot be asked; then there are no Calls
}

// Estimate says what Read would ask now, place by place in the order of
// Options.Places. It stores nothing, and calls CloudTrail itself, at the same
// pace: once where a page has all that is missing, else up to 30 times for an
// event's name, but hardly more often than the run itself would. The error is
// the ledger's or ctx's own.
func (f *Feed) Estimate(ctx context.Context) ([]Estimate, error) {
	now := f.o.Now()
	window := f.window(now)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(placesAtOnce)
	all := make([]Estimate, len(f.places))
	for i, p := range f.places {
		group.Go(func() (err error) {
			all[i], err = p.estimate(ctx, window, now)
			return err
		})
	}
	return all, group.Wait()
}

func (p *place) estimate(ctx context.Context, window span, now time.Time) (Estimate, error) {
	e := Estimate{Place: p.Place, Name: p.name, Exact: true}
	missing, err := p.missing(ctx, window, now)
	if err != nil || len(missing) == 0 {
		return e, err
	}
	if e.Err = p.connect(ctx); e.Err != nil {
		return e, ctx.Err()
	}
	calls := 0.0
	for _, event := range p.feed.o.Events {
		var spans []span
		for _, s := range missing {
			if s.event == event {
				spans = append(spans, s.span)
			}
		}
		n, err := p.expect(ctx, &e, event, spans)
		if err != nil {
			e.Err, e.Calls, e.Exact = err, 0, false
			return e, ctx.Err()
		}
		calls += n
	}
	e.Calls = int(math.Ceil(calls))
	e.Time = time.Duration(float64(e.Calls) / p.feed.o.Rate * float64(time.Second))
	return e, nil
}

// expect returns how many calls an event's missing spans take.
func (p *place) expect(ctx context.Context, e *Estimate, event string, spans []span) (calls float64, err error) {
	var open []span // of more than a page
	for i, s := range spans {
		if i >= probes { // a run that was stopped often leaves many
			open = append(open, s)
			continue
		}
		_, all, err := p.probe(ctx, e, event, s)
		if err != nil {
			return 0, err
		}
		if all {
			calls++
		} else {
			open = append(open, s)
		}
	}
	if len(open) == 0 {
		return calls, nil
	}
	e.Exact = false
	var total int64
	for _, s := range open {
		total += s.seconds()
	}
	// A page that ends at a moment drawn evenly from the time has, on average,
	// one page a length of itself: the mean of the inverse lengths, times the
	// time, is the number of pages.
	var sum, pages float64
	for round := range rounds {
		for i := range probes {
			density, _, err := p.probe(ctx, e, event, until(open, total, i, round))
			if err != nil {
				return 0, err
			}
			sum += density
		}
		made := float64((round + 1) * probes)
		if pages = sum / made * float64(total); pages <= made {
			break
		}
	}
	return calls + max(pages, float64(len(open))) + float64(len(open)), nil
}

// until returns the span whose first page is a round's probe. It ends in the
// probe's part of the time, or near it.
func until(spans []span, total int64, probe, round int) span {
	step := total / probes
	offset := int64(probe)*step + step*int64(2*round+1)/(2*rounds)
	for _, s := range spans {
		if offset >= s.seconds() && s != spans[len(spans)-1] {
			offset -= s.seconds()
			continue
		}
		end := s.from + max(1, min(offset, s.seconds()))
		return span{s.from, s.near(end, probe, round)}
	}
	return span{}
}

// near returns the moment next to end that has the probe's hour of the day,
// and its day of the week too, in a span that is long enough to choose.
func (s span) near(end int64, probe, round int) int64 {
	hour := int64((4*probe + 6*round + round/2) % 24)
	period, phase := int64(daySeconds), hour*60*60
	switch {
	case s.seconds() < 2*daySeconds:
		return end
	case s.seconds() >= 14*daySeconds:
		period = 7 * daySeconds
		phase += int64((probes*round+probe)%7) * daySeconds
	}
	end += (phase-end%period+period+period/2)%period - period/2
	switch {
	case end <= s.from:
		end += period
	case end > s.to:
		end -= period
	}
	return end
}

// probe asks for a span's first page, and returns how many pages a second
// there are, and whether the page holds all of the span.
func (p *place) probe(ctx context.Context, e *Estimate, event string, of span) (density float64, all bool, err error) {
	s := &slice{event: event, span: of}
	for {
		out, err := p.insist(ctx, e, s)
		if err != nil {
			return 0, false, err
		}
		placed, last, err := s.answer(out)
		switch {
		case err != nil:
			return 0, false, err
		case last:
			return float64(len(out.Events)) / maxResults / float64(of.seconds()), true, nil
		case len(out.Events) > 0:
			return 1 / float64(max(1, placed.seconds())), false, nil
		}
	}
}

// insist makes a slice's call until it is answered, as a reading would.
func (p *place) insist(ctx context.Context, e *Estimate, s *slice) (*cloudtrail.LookupEventsOutput, error) {
	for failures := 0; ; {
		if err := p.pace.wait(ctx); err != nil {
			return nil, err
		}
		sent := time.Now()
		out, err := p.client.LookupEvents(ctx, s.input())
		e.Spent++
		switch {
		case err == nil:
			p.pace.answered()
			return out, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case isThrottled(err):
			p.pace.throttled(sent)
		case isTransient(err) && failures < maxFailures-1:
			failures++
			select {
			case <-time.After(pause(failures)):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		default:
			return nil, explained(err)
		}
	}
}
