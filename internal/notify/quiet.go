package notify

import (
	"fmt"
	"slices"
	"time"
)

// QuietHours are when a channel is silent. What there is to tell then is told
// when they end, in one message.
type QuietHours struct {
	// From and To are minutes since midnight. From 20:00 to 07:00 goes over
	// midnight; where both are equal only Weekends counts.
	From, To int

	Weekends bool // Saturday and Sunday are quiet as a whole
	Zone     *time.Location

	Except []Kind // that are told at any hour
}

// ParseClock reads a time of day such as 20:00, as minutes since midnight.
func ParseClock(text string) (minutes int, ok bool) {
	t, err := time.Parse("15:04", text)
	return t.Hour()*60 + t.Minute(), err == nil
}

// Clock is what [ParseClock] reads.
func Clock(minutes int) string { return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60) }

func (q *QuietHours) check() string {
	for _, k := range q.Except {
		if !slices.Contains(Kinds, k) {
			return "except " + clip(string(k)) + ": want one of " + kindList()
		}
	}
	if q.From == q.To && !q.Weekends {
		return "want from and to, such as from: \"20:00\" and to: \"07:00\", or weekends: true"
	}
	return ""
}

// quiet reports whether a kind of message has to wait at t. Clocks that are
// turned in summer and winter are the zone's.
func (q *QuietHours) quiet(k Kind, t time.Time) bool {
	if q == nil || k == Test || slices.Contains(q.Except, k) {
		return false
	}
	local := t.In(q.Zone)
	if day := local.Weekday(); q.Weekends && (day == time.Saturday || day == time.Sunday) {
		return true
	}
	minute := local.Hour()*60 + local.Minute()
	switch {
	case q.From == q.To:
		return false
	case q.From < q.To:
		return q.From <= minute && minute < q.To
	}
	return minute >= q.From || minute < q.To
}
