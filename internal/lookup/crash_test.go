package lookup_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/athenatrail/athenatrail/internal/lookup/lookuptest"
	"github.com/athenatrail/athenatrail/internal/source"
)

// history draws events: quiet times, busy ones, and seconds with many.
func history(t *rapid.T, densest int) (events []lookuptest.Event) {
	for burst := range rapid.IntRange(0, 3).Draw(t, "bursts") {
		from := rapid.IntRange(1, 24*60*60).Draw(t, "ago")
		count := rapid.IntRange(1, 160).Draw(t, "count")
		apart := rapid.SampledFrom([]int{0, 1, 7, 300}).Draw(t, "apart") // seconds
		if apart == 0 {
			count = min(count, densest)
		}
		for i := range count {
			if ago := from - i*apart; ago > 0 {
				events = append(events, event(start, 1000*burst+i, noon.Add(-time.Duration(ago)*time.Second)))
			}
		}
	}
	return events
}

// TestCrashes has runs die at drawn places, one after the other, and slices be
// cut however the pace has it: every event is stored in the end. Where no
// second has more events than a page, no slice is asked for more than a page
// again: one that was answered and not stored, and one that a slice had asked
// for when it gave that time away.
func TestCrashes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dense := rapid.Bool().Draw(rt, "dense")
		densest := 8
		if dense {
			densest = 220
		}
		events := history(rt, densest)
		seed := rapid.Int64().Draw(rt, "seed")
		var mu sync.Mutex
		chains := 0
		c := lookuptest.Config{Rate: quick, Fault: func(c lookuptest.Call) lookuptest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if !c.Token {
				chains++
			}
			return lookuptest.Fault{}
		}}
		cut := rapid.Bool().Draw(rt, "short pages")
		if cut {
			c.PageSize = func(page int) int { return int(uint64(seed+int64(page))*0x9e3779b97f4a7c15>>33) % 60 }
		}
		b := newBench(t, c, events...).direct()
		defer b.server.Close()
		for _, after := range rapid.SliceOfN(rapid.IntRange(0, 12), 0, 3).Draw(rt, "crashes") {
			left := after
			b.store = func(source.Page) error {
				if left--; left < 0 {
					return errDied
				}
				return nil
			}
			b.now = b.now.Add(time.Minute)
			if _, err := b.feed().Read(t.Context(), b.keep); err != nil && !errors.Is(err, errDied) {
				rt.Fatal(err)
			}
		}
		b.store = nil
		b.now = b.now.Add(time.Minute)
		b.whole(b.feed())
		for _, e := range events {
			if b.got[e.ID] == 0 {
				rt.Fatalf("event %s of %s is not stored", e.ID, e.Time)
			}
		}
		if n := b.server.Counts().Repeated; !dense && !cut && n > chains {
			rt.Errorf("%d pages came again, of %d slices", n, chains)
		}
		calls := b.server.Counts().Calls
		b.whole(b.feed())
		if n := b.server.Counts().Calls - calls; n != 0 {
			rt.Errorf("a run after the last makes %d calls", n)
		}
	})
}

// TestOldestFirst: should the newest not come first, nothing is taken to
// be in place that is not, and a run that dies is asked again.
func TestOldestFirst(t *testing.T) {
	events := day(start, 300)
	for crash := range 8 {
		b := newBench(t, lookuptest.Config{Rate: quick, OldestFirst: true}, events...).direct()
		left := crash
		b.store = func(source.Page) error {
			if left--; left < 0 {
				return errDied
			}
			return nil
		}
		if _, err := b.feed().Read(t.Context(), b.keep); err != nil && !errors.Is(err, errDied) {
			t.Fatal(err)
		}
		b.store = nil
		b.whole(b.feed())
		b.wantAll(events)
		b.server.Close()
	}
}

// TestOrderOfAsking: what CloudTrail forgets next is asked for first.
func TestOrderOfAsking(t *testing.T) {
	oldest := event(start, 1, noon.Add(-90*24*time.Hour+time.Hour))
	b := newBench(t, lookuptest.Config{Rate: quick}, append(day(start, 400), oldest)...)
	defer b.server.Close()
	b.options.From = time.Time{}
	first := ""
	b.store = func(p source.Page) error {
		if first == "" {
			first = fmt.Sprint(p.Key, " ", string(p.Body[:12]))
		}
		return nil
	}
	b.options.Rate = 20 // so that the first page is stored before the second
	b.whole(b.feed())
	if want := `lookup-events:111122223333/eu-west-1/StartQueryExecution/2026-08-05T12:00:00Z/2026-08-05T18:00:00Z {"Records":[`; first != want {
		t.Errorf("first page %s, want %s", first, want)
	}
}
