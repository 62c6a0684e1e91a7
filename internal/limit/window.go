package limit

import (
	"fmt"
	"strconv"
	"time"

	"github.com/athenatrail/athenatrail"
)

// A Window is the time over which is measured: an hour, day, week or month of
// a time zone's calendar, or so long before the moment.
type Window struct {
	unit    unit
	rolling time.Duration // 0: unit
	zone    *time.Location
}

type unit string

const (
	hourly  unit = "hour"
	daily   unit = "day"
	weekly  unit = "week" // from Monday on
	monthly unit = "month"
)

const (
	windowForms = "hour, day, week, month, or a length that moves with the clock, such as 24h, 7d or 30d"

	maxRolling = 92 * 24 * time.Hour
)

// parseWindow reads the form that [Window.String] writes.
func parseWindow(text string, zone *time.Location) (w Window, want string) {
	w = Window{zone: zone}
	switch u := unit(text); u {
	case hourly, daily, weekly, monthly:
		w.unit = u
		return w, ""
	}
	if len(text) < 2 || len(text) > 5 {
		return w, windowForms
	}
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 16)
	length := map[byte]time.Duration{'h': time.Hour, 'd': 24 * time.Hour}[text[len(text)-1]]
	switch {
	case err != nil || length == 0:
		return w, windowForms
	case n == 0:
		return w, "a window longer than nothing: " + windowForms
	case time.Duration(n)*length > maxRolling:
		return w, "at most 92d: " + windowForms
	}
	w.rolling = time.Duration(n) * length
	return w, ""
}

// String returns the form of the configuration: day, 7d.
func (w Window) String() string {
	switch {
	case w.rolling == 0:
		return string(w.unit)
	case w.rolling%(24*time.Hour) == 0:
		return strconv.Itoa(int(w.rolling/(24*time.Hour))) + "d"
	}
	return strconv.Itoa(int(w.rolling/time.Hour)) + "h"
}

// Text says the window in words: a day, in 7 days.
func (w Window) Text() string {
	switch {
	case w.rolling == 0 && w.unit == hourly:
		return "an hour"
	case w.rolling == 0:
		return "a " + string(w.unit)
	case w.rolling == time.Hour:
		return "in 1 hour"
	case w.rolling%(24*time.Hour) == 0 && w.rolling > 24*time.Hour:
		return fmt.Sprintf("in %d days", w.rolling/(24*time.Hour))
	}
	return fmt.Sprintf("in %d hours", w.rolling/time.Hour)
}

// Rolling tells whether the window moves with the clock, and so never ends.
func (w Window) Rolling() bool { return w.rolling > 0 }

// Length is how long a window that moves is; of a calendar's it is zero.
func (w Window) Length() time.Duration { return w.rolling }

// Zone is the time zone of the calendar.
func (w Window) Zone() *time.Location { return w.zone }

// Bounds returns the window that holds a moment, from start on and before end.
// One that moves has no end, and begins with the first quarter hour that lies
// in it whole: nobody is held to what they used before.
func (w Window) Bounds(at time.Time) (start, end time.Time) {
	if w.rolling > 0 {
		return ceilSlot(at.Add(-w.rolling)), time.Time{}
	}
	if w.unit == hourly {
		return w.hour(at)
	}
	local := at.In(w.zone)
	y, m, d := local.Date()
	switch w.unit {
	case weekly:
		d -= (int(local.Weekday()) + 6) % 7
		return w.day(y, m, d), w.day(y, m, d+7)
	case monthly:
		return w.day(y, m, 1), w.day(y, m+1, 1)
	}
	return w.day(y, m, d), w.day(y, m, d+1)
}

// day returns the first moment at which the zone's calendar shows a day, or a
// later one where it leaves that out. Where clocks change at midnight,
// time.Date alone may be an hour away from it.
func (w Window) day(y int, m time.Month, d int) time.Time {
	first := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	before := func(t time.Time) bool {
		ty, tm, td := t.In(w.zone).Date()
		return time.Date(ty, tm, td, 0, 0, 0, 0, time.UTC).Before(first)
	}
	t := time.Date(y, m, d, 0, 0, 0, 0, w.zone).UTC()
	for before(t) {
		t = t.Add(athenatrail.SlotLength)
	}
	for !before(t.Add(-athenatrail.SlotLength)) {
		t = t.Add(-athenatrail.SlotLength)
	}
	return t
}

// hour returns the hour that holds a moment. Clocks that are set back within
// an hour go through its minutes twice and stay in it.
func (w Window) hour(at time.Time) (start, end time.Time) {
	const most = 6 // quarter hours that an hour has when a clock is set back within it
	start = at.UTC().Truncate(athenatrail.SlotLength)
	for n := 1; n < most && start.In(w.zone).Minute() != 0; n++ {
		start = start.Add(-athenatrail.SlotLength)
	}
	end = at.UTC().Truncate(athenatrail.SlotLength).Add(athenatrail.SlotLength)
	for n := 1; n < most && end.In(w.zone).Minute() != 0; n++ {
		end = end.Add(athenatrail.SlotLength)
	}
	return start, end
}

// habitWindows is how many windows before one tell what its hours usually are.
const (
	habitWindows = 4
	habitMonths  = 3
	habitLeast   = 2 // with fewer there is no habit
)

// A before is an earlier window, cut where the present one is now.
type before struct{ start, cut, end time.Time }

// befores returns the windows before the one that holds at, at the same hours:
// of an hour and a day those of the same day of the week, of a month the ones
// before. Windows that move have none. None begins before since.
func (w Window) befores(at, since time.Time) (list []before) {
	if w.rolling > 0 {
		return nil
	}
	local := at.In(w.zone)
	y, m, d := local.Date()
	clock := func(y int, m time.Month, d int) time.Time {
		return time.Date(y, m, d, local.Hour(), local.Minute(), local.Second(), 0, w.zone)
	}
	n := habitWindows
	if w.unit == monthly {
		n = habitMonths
	}
	for k := 1; k <= n; k++ {
		var b before
		if w.unit == monthly {
			b.start, b.end = w.day(y, m-time.Month(k), 1), w.day(y, m-time.Month(k)+1, 1)
			b.cut = clock(y, m-time.Month(k), d)
		} else {
			b.cut = clock(y, m, d-7*k)
			b.start, b.end = w.Bounds(b.cut)
		}
		b.cut = ceilSlot(b.cut)
		if b.cut.After(b.end) { // the 31st, of a month without one
			b.cut = b.end
		}
		if !since.IsZero() && b.start.Before(since) {
			break
		}
		list = append(list, b)
	}
	if len(list) < habitLeast {
		return nil
	}
	return list
}

// Tolerance is how far behind the clock a lake may be for its numbers to be
// acted upon: a quarter of the window, but half an hour at least, since
// CloudTrail delivers only after some minutes, and six hours at most.
func (w Window) Tolerance() time.Duration {
	length := w.rolling
	switch w.unit {
	case hourly:
		length = time.Hour
	case daily:
		length = 24 * time.Hour
	case weekly, monthly:
		length = 7 * 24 * time.Hour
	}
	return max(30*time.Minute, min(length/4, stale))
}

// ceilSlot returns the first quarter hour that begins at t or after it.
func ceilSlot(t time.Time) time.Time {
	s := t.UTC().Truncate(athenatrail.SlotLength)
	if s.Before(t) {
		s = s.Add(athenatrail.SlotLength)
	}
	return s
}
