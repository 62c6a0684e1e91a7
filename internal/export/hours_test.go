package export

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Skipf("no time zone data: %v", err)
	}
	return z
}

func day(z *time.Location, year int, month time.Month, d int) time.Time {
	return time.Date(year, month, d, 0, 0, 0, 0, z)
}

// TestHoursOfADay counts the folders of days on which clocks are changed.
func TestHoursOfADay(t *testing.T) {
	for _, c := range []struct {
		zone       string
		year       int
		month      time.Month
		day, hours int
		length     time.Duration // of all
	}{
		{"UTC", 2026, 11, 1, 24, 24 * time.Hour},
		{"America/New_York", 2026, 11, 2, 24, 24 * time.Hour},
		{"America/New_York", 2026, 3, 8, 23, 23 * time.Hour},
		{"America/New_York", 2026, 11, 1, 24, 25 * time.Hour}, // hour=01 twice
		{"Europe/Paris", 2026, 3, 29, 23, 23 * time.Hour},
		{"Europe/Paris", 2026, 10, 25, 24, 25 * time.Hour},
		{"Asia/Kolkata", 2026, 5, 4, 24, 24 * time.Hour}, // half an hour off UTC's
		{"Asia/Kathmandu", 2026, 5, 4, 24, 24 * time.Hour},
		{"Australia/Lord_Howe", 2026, 4, 5, 24, 24*time.Hour + 30*time.Minute}, // clocks go back half an hour
		{"Australia/Lord_Howe", 2026, 10, 4, 24, 23*time.Hour + 30*time.Minute},
		{"America/Havana", 2026, 3, 8, 23, 23 * time.Hour},  // there is no midnight
		{"America/Havana", 2026, 11, 1, 24, 25 * time.Hour}, // midnight comes twice
		{"Africa/Cairo", 2026, 10, 29, 24, 25 * time.Hour},  // 23:00 comes twice
	} {
		z := zone(t, c.zone)
		from, to := day(z, c.year, c.month, c.day), day(z, c.year, c.month, c.day+1)
		if c.zone == "America/Havana" && c.month == 3 {
			from = time.Date(2026, 3, 8, 1, 0, 0, 0, z) // the day's first moment
		}
		hours := Hours(from, to, z)
		var length time.Duration
		for i, h := range hours {
			length += h.To.Sub(h.From)
			if i > 0 && !h.From.Equal(hours[i-1].To) {
				t.Errorf("%s %s: a gap or an overlap before %s", c.zone, from, h.Folder())
			}
		}
		if len(hours) != c.hours || length != c.length {
			t.Errorf("%s %04d-%02d-%02d: %d hours of %v together, want %d of %v: %v", c.zone, c.year, c.month, c.day, len(hours), length, c.hours, c.length, hours)
		}
	}
}

// The tracker's folders had hour=1 beside a documented hour=01.
func TestTrackerFoldersAreZeroPadded(t *testing.T) {
	h := Hours(time.Date(2026, 3, 4, 1, 0, 0, 0, time.UTC), time.Date(2026, 3, 4, 2, 0, 0, 0, time.UTC), time.UTC)
	if len(h) != 1 || h[0].Folder() != "year=2026/month=03/day=04/hour=01" {
		t.Errorf("%v", h)
	}
}

// A window that begins and ends within hours has those whole.
func TestHoursAreWhole(t *testing.T) {
	h := Hours(time.Date(2026, 3, 4, 1, 59, 0, 0, time.UTC), time.Date(2026, 3, 4, 3, 0, 0, 1, time.UTC), time.UTC)
	if len(h) != 3 || h[0].From.Minute() != 0 || h[2].Hour != 3 || h[2].To.Hour() != 4 {
		t.Errorf("%v", h)
	}
	// From the second pass of the repeated hour on, the first is in its file.
	z := zone(t, "America/New_York")
	h = Hours(time.Date(2026, 11, 1, 6, 30, 0, 0, time.UTC), time.Date(2026, 11, 1, 7, 0, 0, 0, time.UTC), z)
	if len(h) != 1 || h[0].Hour != 1 || h[0].To.Sub(h[0].From) != 2*time.Hour {
		t.Errorf("%v", h)
	}
}

// TestEveryMomentIsInOneHour is that of half-open hours: any moment of a window
// is in one of its hours, and the edges belong to the later.
func TestEveryMomentIsInOneHour(t *testing.T) {
	zones := []*time.Location{time.UTC}
	for _, name := range []string{"America/New_York", "Europe/Paris", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns", "America/Havana", "Pacific/Apia"} {
		zones = append(zones, zone(t, name))
	}
	first := time.Date(2005, 1, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		z := rapid.SampledFrom(zones).Draw(t, "zone")
		from := first.Add(time.Duration(rapid.Int64Range(0, 25*366*24*60).Draw(t, "minute")) * time.Minute)
		if rapid.Bool().Draw(t, "at a change") {
			if _, change := from.In(z).ZoneBounds(); !change.IsZero() {
				from = change.Add(-time.Duration(rapid.IntRange(0, 300).Draw(t, "before")) * time.Minute).UTC()
			}
		}
		to := from.Add(time.Duration(rapid.IntRange(1, 600).Draw(t, "minutes")) * time.Minute)
		hours := Hours(from, to, z)
		folders := map[string]bool{}
		for i, h := range hours {
			if folders[h.Folder()] {
				t.Fatalf("%s twice", h.Folder())
			}
			folders[h.Folder()] = true
			if i > 0 && !hours[i-1].From.Before(h.From) {
				t.Fatalf("%s comes too late", h.Folder())
			}
		}
		for m := from; m.Before(to); m = m.Add(7 * time.Minute) {
			c := clockOf(m, z)
			in := 0
			for _, h := range hours {
				if (clock{h.Year, h.Month, h.Day, h.Hour}) == c {
					in++
					if m.Before(h.From) || !m.Before(h.To) {
						t.Fatalf("%s is not within %s to %s", m, h.From, h.To)
					}
				}
			}
			if in != 1 {
				t.Fatalf("%s lies in %d hours", m, in)
			}
		}
	})
}
