package report

import (
	"fmt"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestDaysOfAZone(t *testing.T) {
	f := func(name, from, to string, want ...string) {
		t.Helper()
		z := zone(t, name)
		parse := func(s string) time.Time {
			u, err := time.ParseInLocation("2006-01-02 15:04", s, z)
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		list, err := buckets(byDay, parse(from), parse(to), z)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, b := range list {
			got = append(got, fmt.Sprint(b.label, " ", b.stop.Sub(b.start)))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	f("UTC", "2026-11-01 00:00", "2026-11-03 06:30", "DATE '2026-11-01' 24h0m0s", "DATE '2026-11-02' 24h0m0s", "DATE '2026-11-03' 6h30m0s")
	f("America/New_York", "2026-10-31 00:00", "2026-11-03 00:00", "DATE '2026-10-31' 24h0m0s", "DATE '2026-11-01' 25h0m0s", "DATE '2026-11-02' 24h0m0s")
	f("Europe/Berlin", "2026-03-28 12:00", "2026-03-30 00:00", "DATE '2026-03-28' 12h0m0s", "DATE '2026-03-29' 23h0m0s")
	f("Australia/Lord_Howe", "2026-04-05 00:00", "2026-04-06 00:00", "DATE '2026-04-05' 24h30m0s")
	f("Asia/Kathmandu", "2026-11-01 00:00", "2026-11-02 00:00", "DATE '2026-11-01' 24h0m0s")
	f("Africa/Cairo", "2026-04-23 00:00", "2026-04-25 00:00", "DATE '2026-04-23' 24h0m0s", "DATE '2026-04-24' 23h0m0s") // midnight is skipped
	f("Pacific/Apia", "2011-12-29 00:00", "2012-01-01 00:00", "DATE '2011-12-29' 24h0m0s", "DATE '2011-12-31' 24h0m0s") // a day is skipped
}

func TestHoursAndMonths(t *testing.T) {
	count := func(unit, name string, from, to time.Time) int {
		t.Helper()
		list, err := buckets(unit, from, to, zone(t, name))
		if err != nil {
			t.Fatal(err)
		}
		at := from
		for _, b := range list {
			if !b.start.Equal(at) || !b.stop.After(b.start) {
				t.Fatalf("%s: bucket %v does not follow %s", unit, b, at)
			}
			at = b.stop
		}
		if !at.Equal(to) {
			t.Fatalf("%s: the last bucket ends at %s", unit, at)
		}
		return len(list)
	}
	ny := zone(t, "America/New_York")
	if n := count(byHour, "America/New_York", time.Date(2026, 11, 1, 0, 0, 0, 0, ny), time.Date(2026, 11, 2, 0, 0, 0, 0, ny)); n != 25 {
		t.Errorf("%d hours", n)
	}
	if n := count(byHour, "Asia/Kolkata", weekStart, weekStart.Add(24*time.Hour)); n != 25 { // cut at :30
		t.Errorf("%d hours", n)
	}
	lh := zone(t, "Australia/Lord_Howe")
	if n := count(byHour, "Australia/Lord_Howe", time.Date(2026, 4, 5, 0, 0, 0, 0, lh), time.Date(2026, 4, 6, 0, 0, 0, 0, lh)); n != 24 {
		t.Errorf("%d hours", n)
	}
	if n := count(byHour, "Africa/Monrovia", time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)); n == 0 {
		t.Error("no hours where a zone is 44 minutes and 30 seconds off")
	}
	if n := count(byMonth, "Europe/Berlin", time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC), time.Date(2027, 1, 15, 0, 0, 0, 0, time.UTC)); n != 13 {
		t.Errorf("%d months", n)
	}
}

// The days of a zone add up its own executions, on days of 23 and 25 hours
// too, from the roll-up and from the rows.
func TestSpendInAZone(t *testing.T) {
	for name, day := range map[string]string{"America/New_York": "2026-11-01", "Europe/Berlin": "2026-03-29"} {
		z := zone(t, name)
		start, err := time.ParseInLocation(time.DateOnly, day, z)
		if err != nil {
			t.Fatal(err)
		}
		from, to := start.AddDate(0, 0, -1), start.AddDate(0, 0, 2)
		l := &lakeDir{t: t}
		n := 0
		for at := from.AddDate(0, 0, -7); at.Before(to); at = at.Add(15 * time.Minute) {
			n++
			l.executions = append(l.executions, execution(n, at.UTC(), "alice", 1, athenatrail.MoneyScale))
		}
		d := open(t, l.write(), Options{TimeZone: z})
		for _, rows := range []bool{false, true} {
			var got []string
			for _, r := range answer(t, d, "spend", Params{From: from, To: to, Rows: rows}) {
				got = append(got, fmt.Sprint(r["day"].(time.Time).Format("01-02 "), r["executions"], " ", r["cost"], " ", r["cost_week_before"]))
			}
			var want []string
			for day := from; day.Before(to); day = day.AddDate(0, 0, 1) {
				slots := func(a time.Time) int { return int(a.AddDate(0, 0, 1).Sub(a) / (15 * time.Minute)) }
				want = append(want, fmt.Sprint(day.Format("01-02 "), slots(day), " ", slots(day), " ", slots(day.AddDate(0, 0, -7))))
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s, rows %t: %s", name, rows, d)
			}
		}
	}
}
