package limit

import (
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"github.com/athenatrail/athenatrail"
)

// zones have clocks that change at 2:00, at midnight, by half an hour, not at
// all, and offsets of quarter hours.
var zones = []string{"UTC", "Europe/Berlin", "America/New_York", "America/Havana", "Asia/Beirut", "America/Santiago", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func window(t testing.TB, text, in string) Window {
	t.Helper()
	w, want := parseWindow(text, zone(t, in))
	if want != "" {
		t.Fatalf("window %q: want %s", text, want)
	}
	return w
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	m, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestBounds(t *testing.T) {
	f := func(in, text, moment, start, end string) {
		t.Helper()
		s, e := window(t, text, in).Bounds(at(t, moment))
		if !s.Equal(at(t, start)) || end == "" != e.IsZero() || end != "" && !e.Equal(at(t, end)) {
			t.Errorf("%s of %s at %s: %s to %s, want %s to %s", text, in, moment, s.UTC(), e.UTC(), start, end)
		}
	}
	f("UTC", "day", "2026-11-03 14:10", "2026-11-03 00:00", "2026-11-04 00:00")
	f("UTC", "day", "2026-11-03 00:00", "2026-11-03 00:00", "2026-11-04 00:00")
	f("UTC", "hour", "2026-11-03 14:59", "2026-11-03 14:00", "2026-11-03 15:00")
	f("UTC", "week", "2026-11-01 23:59", "2026-10-26 00:00", "2026-11-02 00:00") // a Sunday
	f("UTC", "week", "2026-11-02 00:00", "2026-11-02 00:00", "2026-11-09 00:00") // a Monday
	f("UTC", "month", "2026-12-31 23:59", "2026-12-01 00:00", "2027-01-01 00:00")
	// Clocks change: the day has 23 hours, 25 hours, and 25 hours in the week.
	f("Europe/Berlin", "day", "2026-03-29 12:00", "2026-03-28 23:00", "2026-03-29 22:00")
	f("Europe/Berlin", "day", "2026-10-25 12:00", "2026-10-24 22:00", "2026-10-25 23:00")
	f("Europe/Berlin", "week", "2026-10-25 12:00", "2026-10-18 22:00", "2026-10-25 23:00")
	f("America/New_York", "month", "2026-11-15 12:00", "2026-11-01 04:00", "2026-12-01 05:00")
	// Half an hour is gone through twice, and belongs to the hour.
	f("Australia/Lord_Howe", "hour", "2026-04-04 14:50", "2026-04-04 14:00", "2026-04-04 15:30")
	f("Australia/Lord_Howe", "hour", "2026-04-04 15:10", "2026-04-04 14:00", "2026-04-04 15:30")
	f("Asia/Kathmandu", "hour", "2026-11-03 14:10", "2026-11-03 13:15", "2026-11-03 14:15")
	// At midnight of 2026-09-06 Santiago goes from 24:00 to 1:00.
	f("America/Santiago", "day", "2026-09-06 12:00", "2026-09-06 04:00", "2026-09-07 03:00")
	// What moves begins with the first quarter hour that is in it whole.
	f("UTC", "24h", "2026-11-03 14:10", "2026-11-02 14:15", "")
	f("UTC", "24h", "2026-11-03 14:15", "2026-11-02 14:15", "")
	f("UTC", "7d", "2026-11-03 14:10", "2026-10-27 14:15", "")
}

// TestWindowsTileTime looks at windows of all kinds and zones: each moment lies
// in one, they follow each other without a gap, and begin on quarter hours, the
// grid of the roll-ups.
func TestWindowsTileTime(t *testing.T) {
	first, last := at(t, "2012-01-02 00:00").Unix(), at(t, "2037-01-01 00:00").Unix()
	rapid.Check(t, func(r *rapid.T) {
		w := window(t, rapid.SampledFrom([]string{"hour", "day", "week", "month"}).Draw(r, "window"), rapid.SampledFrom(zones).Draw(r, "zone"))
		moment := time.Unix(rapid.Int64Range(first, last).Draw(r, "at"), 0).UTC()
		start, end := w.Bounds(moment)
		if moment.Before(start) || !moment.Before(end) {
			r.Fatalf("%s is not in %s to %s", moment, start, end)
		}
		for _, edge := range []time.Time{start, end} {
			if !edge.Equal(edge.Truncate(athenatrail.SlotLength)) {
				r.Fatalf("%s is on no quarter hour", edge)
			}
		}
		for _, inside := range []time.Time{start, end.Add(-time.Second)} {
			if s, e := w.Bounds(inside); !s.Equal(start) || !e.Equal(end) {
				r.Fatalf("%s lies in %s to %s, and %s in %s to %s", moment, start, end, inside, s, e)
			}
		}
		if s, _ := w.Bounds(end); !s.Equal(end) {
			r.Fatalf("after %s comes a window from %s on", end, s)
		}
		local := start.In(w.zone)
		if w.unit == weekly && local.Weekday() != time.Monday && w.zone.String() != "Pacific/Apia" { // which had a Friday less in 2011
			r.Fatalf("the week begins on %s", local)
		}
		if w.unit == monthly && local.Day() != 1 {
			r.Fatalf("the month begins on %s", local)
		}
	})
}

func TestBefores(t *testing.T) {
	w := window(t, "day", "Europe/Berlin")
	list := w.befores(at(t, "2026-11-03 14:10"), at(t, "2026-10-13 00:00"))
	// 15:10 in Berlin; summer time ends in between, and the lake has begun when
	// the 13th had begun in Berlin.
	want := [][3]string{
		{"2026-10-26 23:00", "2026-10-27 14:15", "2026-10-27 23:00"},
		{"2026-10-19 22:00", "2026-10-20 13:15", "2026-10-20 22:00"},
	}
	if len(list) != len(want) {
		t.Fatalf("%d windows, want %d: %v", len(list), len(want), list)
	}
	for i, b := range list {
		if !b.start.Equal(at(t, want[i][0])) || !b.cut.Equal(at(t, want[i][1])) || !b.end.Equal(at(t, want[i][2])) {
			t.Errorf("%v, want %v", b, want[i])
		}
	}
	if list := w.befores(at(t, "2026-11-03 14:10"), at(t, "2026-10-26 00:00")); list != nil {
		t.Errorf("one day is no habit: %v", list)
	}
	month := window(t, "month", "UTC")
	list = month.befores(at(t, "2026-05-31 10:00"), time.Time{})
	if len(list) != 3 || !list[0].cut.Equal(list[0].end) || !list[1].cut.Equal(at(t, "2026-03-31 10:00")) || !list[2].cut.Equal(list[2].end) {
		t.Errorf("months before the 31st of May: %v", list)
	}
}

func TestMoment(t *testing.T) {
	now := at(t, "2026-11-03 14:00")
	f := func(completeTo, want string) {
		t.Helper()
		if m := NewMoment(now, at(t, completeTo), time.Time{}); !m.At.Equal(at(t, want)) {
			t.Errorf("complete to %s: at %s, want %s", completeTo, m.At, want)
		}
	}
	f("2026-11-03 13:40", "2026-11-03 14:00")
	f("2026-11-03 08:00", "2026-11-03 14:00")
	f("2026-11-03 07:59", "2026-11-03 07:59")
	f("2026-11-03 14:20", "2026-11-03 14:00") // a clock that is a little behind
	f("2026-11-05 14:00", "2026-11-05 14:00") // one that was set back

	behind := func(window_, completeTo, want string) {
		t.Helper()
		l := &Limit{Window: window(t, window_, "UTC")}
		m := NewMoment(now, time.Time{}, time.Time{})
		if completeTo != "" {
			m = NewMoment(now, at(t, completeTo), time.Time{})
		}
		if got := m.Behind(l); got != want {
			t.Errorf("%s, complete to %s: %q, want %q", window_, completeTo, got, want)
		}
	}
	behind("hour", "2026-11-03 13:40", "")
	behind("hour", "2026-11-03 13:20", "the lake is 40 minutes behind, more than 30 minutes")
	behind("day", "2026-11-03 08:00", "")
	behind("day", "2026-11-03 07:59", "the lake is 6 hours behind, more than 6 hours")
	behind("7d", "2026-11-03 08:00", "")
	behind("7d", "2026-11-02 20:00", "the lake is 18 hours behind, more than 6 hours")
	behind("month", "2026-10-14 13:00", "the lake is 20 days behind, more than 6 hours")
	behind("day", "2026-11-05 14:00", "the lake is ahead of this machine's clock by 2 days")
	behind("day", "", "it is not known how complete the lake is")
}
