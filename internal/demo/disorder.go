package demo

import (
	"slices"
	"strings"
	"time"
)

const addendumLate = 6 * time.Hour

// disorder makes the delivery what it is in real trails: records twice, late,
// and corrected afterwards.
func (c *Company) disorder() {
	r := newRandom(c.seed, "disorder")
	for i := range c.events {
		e := &c.events[i]
		switch x := r.Float64(); {
		case x < 0.012:
			e.copies = 1
		case x < 0.022:
			e.late = time.Duration(r.between(20, 26)) * time.Hour
		case x < 0.026:
			e.late = time.Duration(r.between(40, 45)) * time.Hour
		}
		if !delivered(e.at.Add(e.late)).Before(present) {
			e.late = 0
		}
	}
	c.addenda(r)
}

// addenda replaces some starts by a record that came later under a new id, and
// corrects others.
func (c *Company) addenda(r random) {
	byEvent := map[string]int{}
	for i := range c.runs {
		byEvent[c.runs[i].truth.EventID] = i
	}
	b := &builder{c: c, r: r}
	want := map[string]int{"delayed": 6, "delayed_twice": 6, "updated": 8}
	n := len(c.events)
	step := max(1, len(byEvent)/60)
	seen := 0
	for i := range n {
		e := c.events[i]
		run, start := byEvent[e.id]
		if !start || e.at.After(lastDay) || strings.HasSuffix(e.ip, ".amazonaws.com") || len(c.runs[run].truth.Cases) > 0 {
			continue
		}
		if seen++; seen%step != 0 {
			continue
		}
		kind := pick(r, []string{"delayed", "delayed_twice", "updated"})
		if want[kind] == 0 {
			continue
		}
		want[kind]--
		again := e
		again.late, again.copies = addendumLate, 0
		switch kind {
		case "delayed": // the original never came
			again.addendum = object("reason", "DELIVERY_DELAY", "originalRequestID", e.request, "originalEventID", e.id)
			again.id, again.request = b.r.uuid(), e.request
			c.events[i] = again
		case "delayed_twice": // both came
			again.addendum = object("reason", "DELIVERY_DELAY", "originalRequestID", e.request, "originalEventID", e.id)
			b.record(again)
		case "updated": // the first one's address is wrong
			again.addendum = object("reason", "UPDATED_DATA", "updatedFields", "sourceIPAddress", "originalRequestID", e.request, "originalEventID", e.id)
			b.record(again)
			c.events[i].ip = "AWS Internal"
		}
		c.runs[run].truth.Cases = slices.Concat(c.runs[run].truth.Cases, []string{"addendum_" + kind})
	}
}
