package forget

import (
	"context"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
)

// texts makes of the facts what they would be, had the SQL not been let in.
// Texts go last, because they tell what messages may quote.
func (r *run) texts(ctx context.Context) error {
	days, err := r.days(ctx)
	if err != nil {
		return err
	}
	for _, p := range days {
		r.touched[p] = r.ofTexts(p.Date)
	}
	if err := r.mark(ctx, &List{}); err != nil {
		return err
	}
	return r.redactAll(ctx)
}

// ofTexts reports whether the SQL of a day is to go.
func (r *run) ofTexts(day athenatrail.Date) bool {
	return r.Before == 0 || day < r.Before && day >= r.From
}

func (r *run) redactAll(ctx context.Context) error {
	want := func(p athenatrail.Partition) bool { return r.ofTexts(p.Date) }
	person := r.Person != ""
	err := each(ctx, r, lake.SessionEvents, want, func(e *athenatrail.SessionEvent) (bool, error) {
		if !person || r.plan.events[e.Home][e.ID] {
			r.redact.SessionEvent(e)
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	err = each(ctx, r, lake.Events, want, func(e *athenatrail.Event) (bool, error) {
		if !person || r.plan.events[e.Home][e.ID] {
			r.redact.Event(e)
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	held := heldSQL{lake: r.Lake}
	err = each(ctx, r, lake.Details, want, func(d *athenatrail.Detail) (bool, error) {
		if person && !r.plan.subjects[subjectOf(d.Home, d.Kind, d.ID)] {
			return true, nil
		}
		sql, err := held.of(ctx, d.Home, d.TextHash)
		r.redact.Detail(d, sql)
		return true, err
	})
	if err != nil {
		return err
	}
	return each(ctx, r, lake.QueryTexts, want, func(q *athenatrail.QueryText) (bool, error) {
		if !person || r.isText(q.Home, q) {
			r.redact.Text(q)
		}
		return true, nil
	})
}

// heldSQL finds the SQL of details, which lies on their day. It remembers that
// of one partition.
type heldSQL struct {
	lake *lake.Lake
	p    athenatrail.Partition
	sql  map[string]string
}

func (h *heldSQL) of(ctx context.Context, p athenatrail.Partition, hash string) (string, error) {
	if h.sql == nil || h.p != p {
		h.p, h.sql = p, map[string]string{}
		for q, err := range lake.Read(ctx, h.lake, lake.QueryTexts, p) {
			if err != nil {
				return "", err
			}
			h.sql[q.TextHash] = q.QueryString
		}
	}
	return h.sql[hash], nil
}

// proveTexts counts what of the SQL is still there: nothing, if doing it all
// again would change nothing.
func (r *run) proveTexts(ctx context.Context) (*Scan, error) {
	again := &run{Options: r.Options, salt: r.salt, counts: map[string]*Count{}, names: r.names, plan: r.plan, redact: r.redact}
	again.DryRun = true
	if err := again.redactAll(ctx); err != nil {
		return nil, err
	}
	s := &Scan{}
	for file, err := range r.Lake.List(ctx, "facts/") {
		if err != nil {
			return nil, err
		}
		if p, ok := partitionOf(file.Key); ok && r.ofTexts(p.Date) {
			s.Files++
		}
	}
	for _, c := range again.sortedCounts() {
		if c.Altered > 0 {
			s.Left = append(s.Left, Leftover{Path: "facts/" + c.Fact + "/", Where: "SQL", Times: c.Altered, Why: "a run may have written it meanwhile: forget again"})
		}
	}
	return s, nil
}
