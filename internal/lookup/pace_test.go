package lookup_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"github.com/athenatrail/athenatrail/internal/lookup/lookuptest"
)

// pages returns events that fill so many pages, in a day.
func pages(count int) []lookuptest.Event { return day(start, count*50) }

// A measure is how a run went.
type measure struct {
	counts lookuptest.Counts
	rate   float64 // calls a second, from the first call to the end of the run
	slices int     // side by side, at most
}

// run reads pages from a server of so much latency, at so many calls a second
// of its own and of the server's.
func run(t testing.TB, latency time.Duration, perSecond float64, burst int, events []lookuptest.Event) measure {
	b := newBench(t, lookuptest.Config{Latency: latency, Rate: lookuptest.Rate{PerSecond: perSecond, Burst: burst}}, events...)
	defer b.server.Close()
	b.options.Rate = perSecond
	began := time.Now()
	states, err := b.feed().Read(context.Background(), b.keep)
	if err != nil || states[0].Err != nil {
		t.Fatal(err, states)
	}
	took := time.Since(began)
	b.wantAll(events)
	c := b.server.Counts()
	return measure{c, float64(c.Calls-c.Throttled) / took.Seconds(), b.server.Counts().AtOnce}
}

// BenchmarkPace measures what docs/performance.md tells, at CloudTrail's own
// pace: it takes a quarter of an hour. Run it with
//
//	go test -run - -bench Pace -benchtime 1x -timeout 30m ./internal/lookup
func BenchmarkPace(b *testing.B) {
	for _, latency := range []time.Duration{200 * time.Millisecond, time.Second, 4 * time.Second} {
		b.Run(latency.String(), func(b *testing.B) {
			for range b.N {
				m := run(b, latency, 2, 2, pages(600))
				b.ReportMetric(m.rate, "calls/s")
				b.ReportMetric(float64(m.slices), "slices")
				b.ReportMetric(float64(m.counts.Calls), "calls")
				b.ReportMetric(float64(m.counts.Throttled), "throttled")
			}
		})
	}
}

// TestPace is the benchmark a hundred times faster. It asserts no times, since
// a busy machine is part of the latency: that calls are made side by side as
// far as the latency needs it, and that few are made in vain.
func TestPace(t *testing.T) {
	const perSecond, count = 200, 150
	for _, latency := range []time.Duration{2 * time.Millisecond, 10 * time.Millisecond, 40 * time.Millisecond} {
		m := run(t, latency, perSecond, 40, pages(count))
		t.Logf("latency %v: %.1f calls/s of %d, %d slices, %d calls for %d pages, %d throttled", latency, m.rate, perSecond, m.slices, m.counts.Calls, count, m.counts.Throttled)
		if needed := int(latency.Seconds() * perSecond); m.slices < needed {
			t.Errorf("latency %v: %d slices, want %d", latency, m.slices, needed)
		}
		if m.counts.Calls-m.counts.Throttled > count*3/2 {
			t.Errorf("latency %v: %d calls for %d pages", latency, m.counts.Calls, count)
		}
	}
}

// TestSharedQuota has somebody else use the quota too, without mercy: nothing
// is lost, and both get on.
func TestSharedQuota(t *testing.T) {
	events := pages(15)
	b := newBench(t, lookuptest.Config{Rate: lookuptest.Rate{PerSecond: 8, Burst: 2}}, events...)
	defer b.server.Close()
	b.options.Rate = 8
	cfg, err := b.config(t.Context(), account, region)
	if err != nil {
		t.Fatal(err)
	}
	other := cloudtrail.NewFromConfig(cfg, func(o *cloudtrail.Options) { o.RetryMaxAttempts = 1 })
	ctx, stop := context.WithCancel(t.Context())
	served, asked := 0, 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(250 * time.Millisecond); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
			asked++
			if _, err := other.LookupEvents(ctx, &cloudtrail.LookupEventsInput{}); err == nil {
				served++
			}
		}
	}()
	b.whole(b.feed())
	stop()
	<-done
	b.wantAll(events)
	c := b.server.Counts()
	t.Logf("the other was served %d of %d calls; %d calls in all, %d throttled", served, asked, c.Calls, c.Throttled)
	if c.Throttled == 0 || served == 0 {
		t.Skip("the machine was too slow for the quota to be used up")
	}
}

// TestThrottledForLong: a throttle is waited out however long it is, but not
// longer than ctx.
func TestThrottledForLong(t *testing.T) {
	b := newBench(t, lookuptest.Config{Rate: lookuptest.Rate{PerSecond: 1e-9, Burst: 1}}, pages(3)...)
	defer b.server.Close()
	b.options.Rate = 1000
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := b.feed().Read(ctx, b.keep); err != context.DeadlineExceeded {
		t.Errorf("%v", err)
	}
	if n := b.server.Counts().Calls; n < 3 || n > 30 {
		t.Errorf("%d calls in 0.3 seconds of throttling", n)
	}
}

func TestEstimate(t *testing.T) {
	busy := func(count int, hours func(i int) time.Duration) (events []lookuptest.Event) {
		for i := range count {
			events = append(events, event(start, i, noon.Add(-hours(i)).Truncate(time.Second)))
		}
		return events
	}
	for _, tt := range []struct {
		name   string
		events []lookuptest.Event
		exact  bool
		within float64 // of the pages that there are
		spent  int
	}{
		{"nothing", nil, true, 0, 1},
		{"one page", day(start, 50), true, 0, 1},
		{"few pages", day(start, 130), false, 0, 7},
		{"even", day(start, 8000), false, 0.1, 25},
		{"working hours", busy(6000, func(i int) time.Duration { // 8 of 24 hours, over 10 days
			return time.Duration(i/600)*24*time.Hour + time.Duration(i%600)*8*time.Hour/600 + time.Minute
		}), false, 0.35, 25},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, lookuptest.Config{Rate: quick}, tt.events...).direct()
			defer b.server.Close()
			b.options.From, b.options.Rate = noon.Add(-10*24*time.Hour), 150
			if tt.name == "even" {
				b.options.From = noon.Add(-24 * time.Hour)
			}
			f := b.feed()
			got, err := f.Estimate(t.Context())
			if err != nil || len(got) != 1 || got[0].Err != nil {
				t.Fatal(err, got)
			}
			e := got[0]
			if len(b.pages) != 0 || e.Spent != b.server.Counts().Calls || e.Spent > tt.spent || e.Exact != tt.exact || e.Name != "lookup-events:111122223333/eu-west-1" {
				t.Errorf("%+v", e)
			}
			b.whole(f)
			there := max(1, (len(tt.events)+49)/50)
			t.Logf("%d calls estimated by %d, %d made, for %d pages", e.Calls, e.Spent, b.server.Counts().Calls-e.Spent, there)
			if off := math.Abs(float64(e.Calls - there)); off > tt.within*float64(there) && off > 2 {
				t.Errorf("%d calls estimated for %d pages", e.Calls, there)
			}
			again, err := f.Estimate(t.Context())
			if err != nil || again[0].Calls != 0 || again[0].Spent != 0 {
				t.Errorf("after the run: %+v, %v", again, err)
			}
		})
	}
}

// An estimate tells of places that cannot be asked, and of the others.
func TestEstimateDenied(t *testing.T) {
	b := newBench(t, lookuptest.Config{Rate: quick, Deny: func(c lookuptest.Call) bool { return c.Region != region }}, day(start, 20)...)
	defer b.server.Close()
	b.options.Places = append(b.options.Places, here)
	b.options.Places[1].Region = "eu-central-1"
	got, err := b.feed().Estimate(t.Context())
	if err != nil || got[0].Calls != 1 || got[0].Err != nil || got[1].Calls != 0 || got[1].Err == nil {
		t.Errorf("%v, %v", got, err)
	}
	if want := "not allowed to call cloudtrail:LookupEvents"; got[1].Err != nil && fmt.Sprint(got[1].Err)[:len(want)] != want {
		t.Error(got[1].Err)
	}
}
