package export

import (
	"fmt"
	"time"
)

// An Hour is an hour on the clock of a time zone. It is usually 60 minutes,
// but in autumn the repeated hour is 120: both passes have the same folder.
type Hour struct {
	Year  int
	Month time.Month
	Day   int
	Hour  int

	From, To time.Time // half-open, in UTC
}

// Folder returns the hour's folder, year=2026/month=11/day=03/hour=07.
func (h Hour) Folder() string {
	return fmt.Sprintf("year=%04d/month=%02d/day=%02d/hour=%02d", h.Year, h.Month, h.Day, h.Hour)
}

// A clock is what a clock on the wall shows, to the hour.
type clock struct {
	year  int
	month time.Month
	day   int
	hour  int
}

func clockOf(t time.Time, zone *time.Location) clock {
	t = t.In(zone)
	year, month, day := t.Date()
	return clock{year, month, day, t.Hour()}
}

// margin is longer than an hour with its repetition, wherever clocks were
// changed since CloudTrail began.
const margin = 4 * time.Hour

// Hours returns the hours of a zone that have a part in [from, to), in their
// order. The first and the last are whole hours even if the window begins or
// ends within them.
func Hours(from, to time.Time, zone *time.Location) []Hour {
	type found struct {
		Hour
		asked bool
	}
	var all []found
	places := map[clock]int{}
	for t, end := from.Add(-margin).UTC(), to.Add(margin); t.Before(end); {
		next := hourEnd(t, zone)
		c := clockOf(t, zone)
		i, ok := places[c]
		if !ok {
			i = len(all)
			places[c] = i
			all = append(all, found{Hour: Hour{c.year, c.month, c.day, c.hour, t, next}})
		}
		all[i].To = next
		all[i].asked = all[i].asked || t.Before(to) && from.Before(next)
		t = next
	}
	var hours []Hour
	for _, h := range all {
		if h.asked {
			hours = append(hours, h.Hour)
		}
	}
	return hours
}

// hourEnd returns the first moment after t at which the zone's clock shows
// another hour, or is put forward or back.
func hourEnd(t time.Time, zone *time.Location) time.Time {
	local := t.In(zone)
	passed := time.Duration(local.Minute())*time.Minute + time.Duration(local.Second())*time.Second + time.Duration(local.Nanosecond())
	end := t.Add(time.Hour - passed)
	if _, change := local.ZoneBounds(); !change.IsZero() && change.Before(end) {
		end = change
	}
	return end.UTC()
}
