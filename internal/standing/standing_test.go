package standing_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/standing"
)

var noon = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

func newLake(t *testing.T) *lake.Lake {
	t.Helper()
	store, err := lake.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Create(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestOneLease lets many ask for the lease at once: one gets it.
func TestOneLease(t *testing.T) {
	l := newLake(t)
	held := errors.New("held")
	var got sync.Map
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			_, err := standing.Update(t.Context(), l, func(s *standing.State) error {
				if s.Lease.Holds(noon) {
					return held
				}
				s.Lease = &standing.Lease{RunID: fmt.Sprint(i), Until: noon.Add(standing.LeaseLength)}
				return nil
			})
			if err == nil {
				got.Store(i, true)
			} else if !errors.Is(err, held) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	n := 0
	got.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d have the lease", n)
	}
}

func TestLeaseAndClocks(t *testing.T) {
	f := func(name string, l *standing.Lease, now time.Time, want bool) {
		t.Helper()
		if got := l.Holds(now); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	l := &standing.Lease{Until: noon.Add(standing.LeaseLength)}
	f("none", nil, noon, false)
	f("fresh", l, noon, true)
	f("run out", l, noon.Add(standing.LeaseLength), false)
	f("of a clock that was ahead", l, noon.Add(-time.Hour), false)
}

// TestNothingIsNotWritten shows that a lake in which nothing stands has no file,
// and that a change that changes nothing writes nothing.
func TestNothingIsNotWritten(t *testing.T) {
	l := newLake(t)
	etag := func() (tag string) {
		for file, err := range l.List(t.Context(), lake.LimitStateKey) {
			if err != nil {
				t.Fatal(err)
			}
			tag = file.ETag
		}
		return tag
	}
	same := func(*standing.State) error { return nil }
	if _, err := standing.Update(t.Context(), l, same); err != nil || etag() != "" {
		t.Errorf("%v, file %q", err, etag())
	}
	pause := func(s *standing.State) error {
		s.Pauses = []*standing.Pause{{Limit: "day", Since: noon, Reason: "closing"}}
		return nil
	}
	if _, err := standing.Update(t.Context(), l, pause); err != nil {
		t.Fatal(err)
	}
	first := etag()
	if _, err := standing.Update(t.Context(), l, pause); err != nil || etag() != first || first == "" {
		t.Errorf("%v, written again", err)
	}
	s, err := standing.Load(t.Context(), l)
	if err != nil || s.Paused("day", noon) == nil || s.Paused("week", noon) != nil {
		t.Errorf("%v, %+v", err, s)
	}
	if err := l.Put(t.Context(), lake.LimitStateKey, []byte(`{"version":2}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := standing.Load(t.Context(), l); !errors.Is(err, lake.ErrNewer) {
		t.Errorf("a newer one: %v", err)
	}
	for p := range lake.Verify(t.Context(), l, "") {
		t.Errorf("verify: %s", p)
	}
}

func TestPauses(t *testing.T) {
	s := &standing.State{Pauses: []*standing.Pause{{Since: noon, Until: noon.Add(time.Hour)}}}
	if s.Paused("any", noon) == nil || s.Paused("any", noon.Add(time.Hour)) != nil {
		t.Error("a pause of all has no end, or does not hold")
	}
	if a := (standing.Act{Action: athenatrail.ActBlock, Outcome: athenatrail.OutcomeFailed}); a.Stands() {
		t.Error("what failed stands")
	}
}
