package config

import (
	"fmt"
	"strings"
	"time"
)

// timeForms are the forms that ParseTime reads, for its errors.
const timeForms = "a time such as 2026-11-03, 2026-11-03T14:00:00Z, 7d or 12h (that long ago), yesterday, today or now"

var (
	zonedLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02 15:04:05Z07:00"}
	localLayouts = []string{"2006-01-02", "2006/01/02", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"}
)

// ParseTime reads the value of --from or --to: RFC 3339, a date or a date and
// time in loc (2026-11-03, 2026/11/03, 2026-11-03T14:00), a duration before
// now (7d, -7d, 12h), yesterday, today or now. A date is its first moment in
// loc, for both flags: --from is included and --to is not, so that
// --from 2026-11-01 --to 2026-11-03 is two days. The result is in UTC.
func ParseTime(s string, now time.Time, loc *time.Location) (time.Time, error) {
	text := strings.TrimSpace(s)
	local := now.In(loc)
	switch strings.ToLower(text) {
	case "now":
		return now.UTC(), nil
	case "today":
		return startOfDay(local, 0), nil
	case "yesterday":
		return startOfDay(local, -1), nil
	}
	if d, ok := parseDuration(strings.TrimPrefix(text, "-")); ok {
		return now.Add(-d).UTC(), nil
	}
	for _, layout := range zonedLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return usable(s, t)
		}
	}
	for _, layout := range localLayouts {
		if t, err := time.ParseInLocation(layout, text, loc); err == nil {
			return usable(s, t)
		}
	}
	return time.Time{}, fmt.Errorf("time %q: want %s", clip(s), timeForms)
}

// startOfDay returns midnight of t's day, days later, in t's zone.
func startOfDay(t time.Time, days int) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day()+days, 0, 0, 0, 0, t.Location()).UTC()
}

// usable refuses years that no trail can hold; CloudTrail began in 2013.
func usable(s string, t time.Time) (time.Time, error) {
	if y := t.UTC().Year(); y < 2000 || y > 2200 {
		return time.Time{}, fmt.Errorf("time %q: want a year from 2000 to 2200", clip(s))
	}
	return t.UTC(), nil
}
