package web

import (
	"fmt"
	"strings"
	"time"
)

// An axisOf is the stretch of time that a timeline shows, and the moment up to
// which it is known what happened.
type axisOf struct{ from, to, known time.Time }

// axis returns the axis of a timeline's sessions, nil for other panels.
func (g *grid) axis() *axisOf {
	if g.p.Kind != timeline {
		return nil
	}
	a := &axisOf{g.q.From, g.q.To, g.q.To}
	if c := g.q.snap.completeTo; !c.IsZero() && c.Before(a.known) {
		a.known = c
	}
	for n, row := range g.rows {
		if t, ok := g.at(row, "started_at").(time.Time); ok && (n == 0 || t.Before(a.from)) {
			a.from = t
		}
	}
	return a
}

func (a *axisOf) title(zone *time.Location) string {
	return a.from.In(zone).Format("2006-01-02 15:04") + " to " + a.to.In(zone).Format("2006-01-02 15:04")
}

// wall returns what a clock of a time zone shows, in milliseconds since 1970 as
// if it were UTC: scripts draw axes of UTC.
func wall(t time.Time, zone *time.Location) int64 {
	_, offset := t.In(zone).Zone()
	return t.UnixMilli() + int64(offset)*1000
}

// span returns when a session ran, and in words how that ended. One that goes on
// is drawn as far as anything is known; one that was refused, or whose end nobody
// knows, is a mark where it was asked for.
func (a *axisOf) span(g *grid, row []any) (start, end time.Time, how string, ok bool) {
	if start, ok = g.at(row, "started_at").(time.Time); !ok {
		return start, end, "", false
	}
	if end, ok = g.at(row, "ended_at").(time.Time); ok {
		return start, end, "ended", true
	}
	if ms, ok := g.at(row, "took_ms").(int64); ok {
		return start, start.Add(time.Duration(ms) * time.Millisecond), "ended", true
	}
	switch {
	case g.text(row, "session_id") == "":
		return start, start, "refused", true
	case g.text(row, "state") == "" || strings.EqualFold(g.text(row, "state"), "TERMINATED"):
		return start, start, "its end is not known", true
	}
	if a.known.Before(start) {
		return start, start, "goes on", true
	}
	return start, a.known, "goes on", true
}

func (a *axisOf) cell(g *grid, row []any) cellView {
	start, end, how, ok := a.span(g, row)
	all := float64(a.to.Sub(a.from))
	if !ok || all <= 0 {
		return cellView{Text: "–", Class: "none"}
	}
	from, length := 100*float64(start.Sub(a.from))/all, 100*float64(end.Sub(start))/all
	const minute = "2006-01-02 15:04"
	zone := g.q.snap.zone
	title := start.In(zone).Format(minute) + ", " + how
	if end.After(start) {
		title = start.In(zone).Format(minute) + " to " + end.In(zone).Format(minute) + ", " + how
	}
	return cellView{Class: "when", Span: &spanBar{fmt.Sprintf("%.2f%%", max(0, from)), fmt.Sprintf("%.2f%%", max(0.6, min(length, 100-from))), title}}
}
