package config

import (
	"testing"
	"time"
)

// FuzzTimes reads any text as a time, a duration and a size, in zones with and
// without summer time.
func FuzzTimes(f *testing.F) {
	for _, s := range []string{"7d", "-1w2d3h", "99999w", "1e9h", "-", "", "now", "Yesterday", "2026-03-29T02:30", "2026-11-03T14:00:00.999999999+14:00", "0000-00-00", "9223372036854775807", "8 MB", "1.5 GiB", "9e99 TB", "-1", "١٢", "2026-11-03\x00"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)
	var zones []*time.Location
	for _, name := range []string{"UTC", "Europe/Berlin", "Pacific/Apia", "America/Santiago"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			f.Fatal(err)
		}
		zones = append(zones, zone)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, zone := range zones {
			at, err := ParseTime(s, now, zone)
			if err != nil {
				if len(err.Error()) > 1000 {
					t.Fatalf("an error of %d bytes", len(err.Error()))
				}
				continue
			}
			if y := at.Year(); y < 1900 || y > 2201 || at.Location() != time.UTC {
				t.Fatalf("%q is %s", s, at)
			}
		}
		if d, ok := parseDuration(s); ok {
			again, ok := parseDuration(formatDuration(d))
			if d < 0 || d > maxDuration || !ok || again != d {
				t.Fatalf("%q is %s, written %q", s, d, formatDuration(d))
			}
		}
		if n, ok := parseSize(s); ok {
			again, ok := parseSize(formatSize(n))
			if n < 0 || !ok || again != n {
				t.Fatalf("%q is %d, written %q", s, n, formatSize(n))
			}
		}
	})
}
