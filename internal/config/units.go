package config

import (
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	durationForms = "a duration such as 36h, 2d or 1d12h"
	sizeForms     = "a size such as 8 MB, 1 GiB or 500000"

	// maxDuration bounds what is read, far from where a time.Duration ends.
	maxDuration = 100 * 366 * 24 * time.Hour
)

// parseDuration reads Go's durations (1h30m), with days and weeks of 24 hours
// and 7 days in front: 2d, 1w, 1d12h. It takes no sign.
func parseDuration(s string) (time.Duration, bool) {
	var total time.Duration
	rest := s
	for _, unit := range []struct {
		name   string
		length time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		count, after, ok := strings.Cut(rest, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(count, 10, 16)
		if err != nil {
			return 0, false
		}
		total += time.Duration(n) * unit.length
		rest = after
	}
	if rest != "" {
		if rest[0] < '0' || rest[0] > '9' {
			return 0, false
		}
		d, err := time.ParseDuration(rest)
		if err != nil || d < 0 || d > maxDuration {
			return 0, false
		}
		total += d
	}
	return total, s != "" && total <= maxDuration
}

// formatDuration writes the form that parseDuration reads, in days where it
// comes out even.
func formatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	if d > 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"GiB", 1 << 30}, {"GB", 1_000_000_000},
	{"MiB", 1 << 20}, {"MB", 1_000_000},
	{"KiB", 1 << 10}, {"KB", 1_000}, {"kB", 1_000},
	{"B", 1}, {"", 1},
}

// parseSize reads a whole number of bytes with or without a unit: MB counts
// in thousands, MiB in 1,024s.
func parseSize(s string) (int64, bool) {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	n, err := strconv.ParseInt(s[:digits], 10, 64)
	if err != nil {
		return 0, false
	}
	unit := strings.TrimSpace(s[digits:])
	for _, u := range sizeUnits {
		if u.name == unit {
			if n > math.MaxInt64/u.bytes {
				return 0, false
			}
			return n * u.bytes, true
		}
	}
	return 0, false
}

// formatSize writes n in the largest unit in which it is a whole number.
func formatSize(n int64) string {
	for _, u := range sizeUnits {
		if u.bytes > 1 && n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + " " + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}
