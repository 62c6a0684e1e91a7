package limit

// A Planned is what a query that has not run yet would do to a limit.
type Planned struct {
	Limit   *Limit
	Subject Subject
	Used    int64 // now

	// After is Used with the query's likely use, AfterHigh with the most that it
	// is expected to use; nil where that is not known. Of query_bytes they are
	// what the query uses by itself.
	After, AfterHigh *int64

	Exempt bool // what is exempt is not counted
}

// Exceeds tells whether the limit would be exceeded by so much.
func (p *Planned) Exceeds(after *int64) bool {
	return after != nil && reaches(*after, p.Limit.Amount.Value, 100)
}

// Plan returns what a query would do to the limits that it falls under, in
// their order. It is described by a row that has who would run it, where and on
// which tables; expected returns what it would use of an amount, likely and at
// most, in its unit, nil where that is not known. Limits of Spark and of
// failures are passed over, since no query that is expected to succeed uses any
// of those.
func (r *Report) Plan(ls *Limits, e *Execution, expected func(Amount) (likely, high *int64)) (list []Planned) {
	u := e.usage()
	for _, l := range ls.list {
		if l.Measure == DPUTime || l.Measure == FailedShare || l.Measure == Queries && e.Probe || !newMatcher(&l.match).match(&u.UsageKey, e.TablesAccessed) {
			continue
		}
		p := Planned{Limit: l, Subject: l.subject(&u.UsageKey)}
		for _, s := range r.Of(l) {
			if s.Subject == p.Subject {
				p.Used = s.Used
			}
		}
		for _, x := range l.exempt {
			if r.Moment.At.Before(x.until) && newMatcher(&x.match).match(&u.UsageKey, e.TablesAccessed) {
				p.Exempt = true
			}
		}
		one := int64(1)
		likely, high := &one, &one
		if l.Measure != Queries {
			likely, high = expected(l.Amount)
		}
		if !p.Exempt {
			p.After, p.AfterHigh = p.after(likely), p.after(high)
		}
		list = append(list, p)
	}
	return list
}

// after returns what is used with so much more.
func (p *Planned) after(more *int64) *int64 {
	if more == nil {
		return nil
	}
	if p.Limit.Measure == QueryBytes { // which each query has for itself
		return more
	}
	sum := plus(p.Used, max(*more, 0))
	return &sum
}
