package report

import (
	"fmt"
	"time"

	"github.com/athenatrail/athenatrail"
)

// A bucket is one day, hour or month of a time zone, cut at the window's
// edges.
type bucket struct {
	label       string // SQL literal
	value       any    // what it stands for
	start, stop time.Time
}

// maxBuckets bounds what a report by day, hour or month can have.
const maxBuckets = 10_000

// buckets cuts [from, to) into units of zone, oldest first. Their edges are
// found in the zone's own calendar, so a day has 23 or 25 hours when clocks
// change.
func buckets(unit string, from, to time.Time, zone *time.Location) ([]bucket, error) {
	var list []bucket
	for start := from; start.Before(to); {
		if len(list) == maxBuckets {
			return nil, usageError(fmt.Sprintf("the window has more than %d times one %s: make it shorter or group by something longer", maxBuckets, unit))
		}
		stop := nextEdge(unit, start, zone)
		if stop.After(to) {
			stop = to
		}
		sql, value := label(unit, start, zone)
		list = append(list, bucket{sql, value, start, stop})
		start = stop
	}
	return list, nil
}

// label names the unit that holds t, as an SQL literal and as what that stands
// for: a DATE, the TIMESTAMP in UTC at which the hour began, or a month's text.
func label(unit string, t time.Time, zone *time.Location) (string, any) {
	local := t.In(zone)
	switch unit {
	case "hour":
		begin := t.Truncate(athenatrail.SlotLength)
		for n := 0; n < hourSlots && begin.In(zone).Minute() != 0; n++ {
			begin = begin.Add(-athenatrail.SlotLength)
		}
		return timestamp(begin), begin.UTC()
	case "month":
		month := local.Format("2006-01")
		return quote(month), month
	}
	y, m, d := local.Date()
	return date(local), time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// nextEdge returns the first moment after t at which another unit begins. It
// steps by roll-up slots, on which every zone's days and hours begin today;
// that needs no knowledge of how a zone's clocks change.
func nextEdge(unit string, t time.Time, zone *time.Location) time.Time {
	same := func(u time.Time) bool {
		a, b := t.In(zone), u.In(zone)
		if unit == "month" {
			return a.Year() == b.Year() && a.Month() == b.Month()
		}
		return a.YearDay() == b.YearDay() && a.Year() == b.Year()
	}
	edge := t.Truncate(athenatrail.SlotLength).Add(athenatrail.SlotLength)
	if unit == "hour" {
		// A clock set back within an hour goes through its minutes twice and
		// stays in that hour; set back by an hour it begins a new one.
		for n := 1; n < hourSlots && edge.In(zone).Minute() != 0; n++ {
			edge = edge.Add(athenatrail.SlotLength)
		}
		return edge
	}
	if unit == "month" { // no month is shorter, so the steps below are few
		if far := edge.Add(26 * 24 * time.Hour); same(far) {
			edge = far
		}
	}
	if unit == "day" { // no day is shorter
		if far := edge.Add(20 * time.Hour); same(far) {
			edge = far
		}
	}
	for same(edge) {
		edge = edge.Add(athenatrail.SlotLength)
	}
	return edge
}

// hourSlots is how many slots an hour has at most, when a clock is set back
// within it.
const hourSlots = 6

// timestamp and date write SQL literals. Their text comes from a time.Time, so
// it holds nothing else.
func timestamp(t time.Time) string {
	return "TIMESTAMP '" + t.UTC().Format("2006-01-02 15:04:05.000") + "'"
}

func date(t time.Time) string { return "DATE '" + t.Format(time.DateOnly) + "'" }

// onSlots reports whether the roll-up can answer for [from, to).
func onSlots(edges ...time.Time) bool {
	for _, t := range edges {
		if !t.Equal(t.Truncate(athenatrail.SlotLength)) {
			return false
		}
	}
	return true
}
