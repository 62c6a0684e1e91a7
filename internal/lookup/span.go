package lookup

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A span is the time from one second, included, to another, not included, in
// seconds since 1970.
type span struct{ from, to int64 }

func (s span) empty() bool    { return s.to <= s.from }
func (s span) seconds() int64 { return max(0, s.to-s.from) }

// and returns what two spans share.
func (s span) and(t span) span { return span{max(s.from, t.from), min(s.to, t.to)} }

// union returns spans in their order, with those that touch made one.
func union(all []span) []span {
	all = slices.DeleteFunc(slices.Clone(all), span.empty)
	slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var joined []span
	for _, s := range all {
		if n := len(joined); n > 0 && s.from <= joined[n-1].to {
			joined[n-1].to = max(joined[n-1].to, s.to)
		} else {
			joined = append(joined, s)
		}
	}
	return joined
}

// without returns what is left of s behind spans as union returns them.
func (s span) without(taken []span) (left []span) {
	for _, t := range taken {
		if before := (span{s.from, min(s.to, t.from)}); !before.empty() {
			left = append(left, before)
		}
		s.from = max(s.from, t.to)
	}
	if !s.empty() {
		left = append(left, s)
	}
	return left
}

// A row is what the ledger says of a page: what was in place with it, and
// when the run that asked began.
type row struct {
	event string
	span
	asked int64
}

// at returns a second as time.
func at(second int64) time.Time { return time.Unix(second, 0).UTC() }

func stamp(second int64) string { return at(second).Format(time.RFC3339) }

// key is the name of a page in the ledger: the place, the event, the span. The
// number tells pages apart that add nothing to what is in place, because more
// events of one second follow; they are counted from where it was last added
// to. It is 0 for all others.
func (r row) key(place string, number int) string {
	key := place + "/" + r.event + "/" + stamp(r.from) + "/" + stamp(r.to)
	if number > 0 {
		key += "#" + strconv.Itoa(number)
	}
	return key
}

// parseRow reads the name and ETag of a page of a place. Those with a number
// have nothing in place, and are none.
func parseRow(place, key, etag string) (row, bool) {
	rest, ok := strings.CutPrefix(key, place+"/")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 3 {
		return row{}, false
	}
	from, err1 := time.Parse(time.RFC3339, parts[1])
	to, err2 := time.Parse(time.RFC3339, parts[2])
	asked, err3 := time.Parse(time.RFC3339, etag)
	if err1 != nil || err2 != nil || err3 != nil {
		return row{}, false
	}
	r := row{parts[0], span{from.Unix(), to.Unix()}, asked.Unix()}
	return r, !r.empty() && r.key(place, 0) == key
}

// A coverage is what rows say to be in place, for one place.
type coverage struct {
	lateness int64 // in seconds

	// good counts whatever comes, by event, as union returns it.
	good map[string][]span

	// fresh are the rows that were asked for less than the lateness ago.
	fresh []row
}

// add takes a row up.
func (c *coverage) add(r row) { c.fresh = append(c.fresh, r) }

// missing returns what of a window is to be asked for by a run that begins
// now.
func (c *coverage) missing(event string, window span, now int64) []span {
	c.settle(now)
	taken := slices.Clone(c.good[event])
	for _, r := range c.fresh {
		if r.event == event {
			taken = append(taken, r.span)
		}
	}
	return window.without(union(taken))
}

// settle leaves of rows that are no longer fresh what counts for good. A row
// from the future, by a machine whose clock is ahead, was asked for now.
func (c *coverage) settle(now int64) {
	settled := map[string][]span{}
	c.fresh = slices.DeleteFunc(c.fresh, func(r row) bool {
		asked := min(r.asked, now)
		if now-asked < c.lateness {
			return false
		}
		settled[r.event] = append(settled[r.event], span{r.from, min(r.to, asked-c.lateness)})
		return true
	})
	if c.good == nil {
		c.good = map[string][]span{}
	}
	for event, spans := range settled {
		c.good[event] = union(append(spans, c.good[event]...))
	}
}

// EventOf returns the name of the event that the page of that name in the
// ledger was asked for, and false for a name that is no page's.
func EventOf(key string) (event string, ok bool) {
	rest, ok := strings.CutPrefix(key, Name+":")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 5 || !eventForm.MatchString(parts[2]) {
		return "", false
	}
	return parts[2], true
}
