package cloudtrail

import (
	"testing"
	"time"
)

// FuzzTimes reads any text in each of the forms in which records tell times.
func FuzzTimes(f *testing.F) {
	for _, s := range []string{"2026-11-03T14:00:00Z", "2026-11-03 14:00:00", "20261103T140000Z", "Nov 3, 2026, 2:00:00\u202fPM", "Nov 3, 2026 2:00:00 PM", "9999-12-31T23:59:59Z", "2099-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-11-03T24:00:00Z", "2026-11-03T14:00:60Z", "2026-11-03T14:00:00.999999999999999999Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := parseEventTime(s)
		if err == nil && (at.Year() < 2010 || at.Year() > 2099 || at.Location() != time.UTC) {
			t.Fatalf("%q is %s", s, at)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Fatalf("an error of %d bytes", len(err.Error()))
		}
		for _, at := range []time.Time{parseCreationDate(s), parseExpiration(s)} {
			if y := at.Year(); y < 0 || y > 10_000 {
				t.Fatalf("%q is %s", s, at)
			}
		}
	})
}
