package forget

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/redact"
)

// A subject is what Athena knows by an id, in its account and region.
type subject struct{ account, region, kind, id string }

func subjectOf(p athenatrail.Partition, kind, id string) subject {
	return subject{p.Account, p.Region, kind, id}
}

// A held text is one of the texts of a partition.
type heldText struct {
	athenatrail.Partition
	hash string // salted, whatever the lake has
}

func (r *run) heldText(p athenatrail.Partition, hash string) heldText {
	return heldText{p, redact.TextHash(r.salt, hash)}
}

// A plan is what to erase.
type plan struct {
	hashes map[athenatrail.Partition]map[string]bool // of facts' keys

	// Of a person.
	events   map[athenatrail.Partition]map[string]bool // ids
	subjects map[subject]bool                          // executions, sessions and calculations
	ids      map[string]bool                           // of the executions, whatever the account
	texts    map[heldText]bool
	others   map[heldText]bool // texts that executions of other people have
}

func (r *run) note(p athenatrail.Partition, row any) {
	if r.plan.hashes[p] == nil {
		r.plan.hashes[p] = map[string]bool{}
	}
	r.plan.hashes[p][hashOf(r.salt, row)] = true
}

// find makes the plan, and sums up what past totals will lose.
func (r *run) find(ctx context.Context) (err error) {
	r.plan = &plan{
		hashes: map[athenatrail.Partition]map[string]bool{}, events: map[athenatrail.Partition]map[string]bool{},
		subjects: map[subject]bool{}, ids: map[string]bool{}, texts: map[heldText]bool{}, others: map[heldText]bool{},
	}
	r.result.Cost = map[string]athenatrail.Money{}
	if !r.DryRun {
		// Whose a call is stands in the tables, which may be behind.
		if err := r.derive(ctx); err != nil {
			return err
		}
	}
	if r.Person != "" {
		if err := r.findNames(ctx); err != nil {
			return err
		}
		if err := r.findEvents(ctx); err != nil {
			return err
		}
	}
	if !r.DryRun {
		if r.salt, err = r.Lake.Salt(ctx); err != nil {
			return err
		}
	}
	if err := r.findRows(ctx); err != nil {
		return err
	}
	switch {
	case r.Texts:
		return nil
	case r.Person != "":
		return r.findFacts(ctx)
	}
	return r.findSpill(ctx)
}

// A call is what is read of a row of activity.
type call struct {
	EventID string `parquet:"event_id"`
	athenatrail.Who
}

// findNames learns what the person is called beside the name that was given.
func (r *run) findNames(ctx context.Context) error {
	given := names{}
	given.add(r.Person)
	found, someone := false, false
	err := rows(ctx, r, lake.Activity, func(_ athenatrail.Partition, c *call) {
		if given.mean(&c.Who) {
			found = true
			if !isShared(c.PersonSource) {
				someone = true
				r.names.learn(&c.Who)
			}
		}
	})
	if err != nil {
		return err
	}
	if found && !someone {
		return fmt.Errorf("forget %q: %w: it is a role's, a service's or the root user's", r.Person, ErrNobody)
	}
	return nil
}

// findEvents takes the calls that the person made.
func (r *run) findEvents(ctx context.Context) error {
	return rows(ctx, r, lake.Activity, func(p athenatrail.Partition, c *call) {
		if r.names.mean(&c.Who) {
			if r.plan.events[p] == nil {
				r.plan.events[p] = map[string]bool{}
			}
			r.plan.events[p][c.EventID] = true
		}
	})
}

// findRows takes executions, sessions and calculations, and sums them up.
func (r *run) findRows(ctx context.Context) error {
	type execution struct {
		ID       string             `parquet:"query_execution_id,optional"`
		TextHash string             `parquet:"text_hash,optional"`
		TextDt   string             `parquet:"text_dt,optional"`
		Scanned  *int64             `parquet:"data_scanned_bytes,optional"`
		Cost     *athenatrail.Money `parquet:"cost,optional,decimal(9:18)"`
		Currency string             `parquet:"currency,optional"`
		athenatrail.Who
	}
	type session struct {
		ID       string             `parquet:"session_id,optional"`
		Cost     *athenatrail.Money `parquet:"cost,optional,decimal(9:18)"`
		Currency string             `parquet:"currency,optional"`
		athenatrail.Who
	}
	type calculation struct {
		ID string `parquet:"calculation_execution_id,optional"`
		athenatrail.Who
	}
	mine := func(p athenatrail.Partition, w *athenatrail.Who) bool {
		return r.Person != "" && r.names.mean(w) || p.Date < r.Before
	}
	pay := func(cost *athenatrail.Money, currency string) {
		if cost != nil {
			r.result.Cost[currency] += *cost
		}
	}
	err := rows(ctx, r, lake.QueryExecutions, func(p athenatrail.Partition, q *execution) {
		text := r.heldText(p, q.TextHash)
		if d, err := athenatrail.ParseDate(q.TextDt); err == nil {
			text.Partition = p.On(d)
		}
		if !mine(p, &q.Who) {
			r.plan.others[text] = true
			return
		}
		r.result.Executions++
		if q.Scanned != nil {
			r.result.DataScanned += *q.Scanned
		}
		pay(q.Cost, q.Currency)
		if q.ID != "" {
			r.plan.subjects[subjectOf(p, athenatrail.KindQueryExecution, q.ID)] = true
			r.plan.ids[q.ID] = true
		}
		if q.TextHash != "" && q.TextDt != "" {
			r.plan.texts[text] = true
		}
	})
	if err != nil {
		return err
	}
	err = rows(ctx, r, lake.Sessions, func(p athenatrail.Partition, s *session) {
		if mine(p, &s.Who) {
			r.result.Sessions++
			pay(s.Cost, s.Currency)
			r.plan.subjects[subjectOf(p, athenatrail.KindSession, s.ID)] = true
		}
	})
	if err != nil {
		return err
	}
	return rows(ctx, r, lake.Calculations, func(p athenatrail.Partition, c *calculation) {
		if mine(p, &c.Who) {
			r.plan.subjects[subjectOf(p, athenatrail.KindCalculation, c.ID)] = true
		}
	})
}

// rows calls f with what N has of every row of a dataset.
func rows[N any](ctx context.Context, r *run, data lake.Dataset, f func(athenatrail.Partition, *N)) error {
	return lake.Scan(ctx, r.Lake, data, 0, 0, func(p athenatrail.Partition, row *N) error {
		f(p, row)
		return nil
	})
}

// facts calls f with every fact of a kind.
func facts[T any](ctx context.Context, r *run, fact *lake.Fact[T], f func(athenatrail.Partition, *T)) error {
	for file, err := range lake.Partitions(ctx, r.Lake, fact, 0, 0) {
		if err != nil {
			return err
		}
		for row, err := range lake.Read(ctx, r.Lake, fact, file.Partition) {
			if err != nil {
				return err
			}
			f(file.Partition, row)
		}
	}
	return nil
}

type eventKey struct {
	ID               string `parquet:"event_id"`
	QueryExecutionID string `parquet:"query_execution_id,optional"`
	Name             string `parquet:"event_name"`
}

type detailKey struct {
	Kind string `parquet:"kind"`
	ID   string `parquet:"id"`
}

// findFacts notes the facts of a person.
func (r *run) findFacts(ctx context.Context) error {
	for _, look := range []func() error{
		func() error {
			return rows(ctx, r, lake.Events, func(p athenatrail.Partition, e *eventKey) {
				if r.plan.events[p][e.ID] {
					r.note(p, &athenatrail.Event{ID: e.ID, QueryExecutionID: e.QueryExecutionID})
				}
			})
		},
		func() error {
			return facts(ctx, r, lake.SessionEvents, func(p athenatrail.Partition, e *athenatrail.SessionEvent) {
				if r.plan.events[p][e.ID] {
					r.note(p, e)
				}
			})
		},
		func() error {
			return rows(ctx, r, lake.Details, func(p athenatrail.Partition, d *detailKey) {
				if r.plan.subjects[subjectOf(p, d.Kind, d.ID)] {
					r.note(p, &athenatrail.Detail{Kind: d.Kind, ID: d.ID})
				}
			})
		},
		func() error {
			return facts(ctx, r, lake.QueryTexts, func(p athenatrail.Partition, q *athenatrail.QueryText) {
				if r.isText(p, q) {
					r.note(p, q)
				}
			})
		},
		func() error {
			return facts(ctx, r, lake.DataAccess, func(p athenatrail.Partition, a *athenatrail.DataAccess) {
				if r.plan.ids[a.QueryExecutionID] || r.names.in(a.Principal) {
					r.note(p, a)
				}
			})
		},
		func() error {
			return facts(ctx, r, lake.RoleSessions, func(p athenatrail.Partition, s *athenatrail.RoleSession) {
				if r.names.has(s.RoleSessionName) || r.names.has(s.SourceIdentity) || r.names.in(s.Caller) {
					r.note(p, s)
				}
			})
		},
		func() error {
			return facts(ctx, r, lake.References, func(p athenatrail.Partition, x *athenatrail.Reference) {
				if x.Kind == athenatrail.KindIdentityUser && (r.names.has(x.ID) || r.names.in(x.Answer)) {
					r.note(p, x)
				}
			})
		},
		func() error {
			return facts(ctx, r, lake.Catalog, func(p athenatrail.Partition, x *athenatrail.Reference) {
				// Only to whom it is granted: a table may be called as a person is.
				var grant struct{ Principal string }
				if x.Kind == athenatrail.KindGrant && json.Unmarshal([]byte(x.Answer), &grant) == nil && r.names.in(grant.Principal) {
					r.note(p, x)
				}
			})
		},
	} {
		if err := look(); err != nil {
			return err
		}
	}
	return nil
}

// isText reports whether a text is the person's: nobody else ran it, and the
// person did, or a tool says in it that it is theirs.
func (r *run) isText(p athenatrail.Partition, q *athenatrail.QueryText) bool {
	text := r.heldText(p, q.TextHash)
	if r.plan.others[text] {
		return false
	}
	if r.plan.texts[text] {
		return true
	}
	note, ok := r.Settings.Notes.Find(cmp.Or(q.Comment, q.QueryString))
	return ok && r.names.has(note.User)
}

// findSpill notes what the first day that stays holds of executions that began
// on the last day that goes: without their start they would be rows of nobody.
func (r *run) findSpill(ctx context.Context) error {
	for file, err := range lake.Partitions(ctx, r.Lake, lake.Events, r.Before-1, r.Before) {
		if err != nil {
			return err
		}
		started := map[string]bool{}
		for e, err := range lake.ReadAs[eventKey](ctx, r.Lake, lake.Events, file.Partition) {
			if err != nil {
				return err
			}
			if e.Name == derive.StartEvent && e.QueryExecutionID != "" {
				started[e.QueryExecutionID] = true
			}
		}
		p := file.Partition.On(r.Before)
		for e, err := range lake.ReadAs[eventKey](ctx, r.Lake, lake.Events, p) {
			if err != nil {
				return err
			}
			if e.Name == derive.StartEvent && started[e.QueryExecutionID] {
				r.note(p, &athenatrail.Event{ID: e.ID, QueryExecutionID: e.QueryExecutionID})
			}
		}
		for d, err := range lake.ReadAs[detailKey](ctx, r.Lake, lake.Details, p) {
			if err != nil {
				return err
			}
			if d.Kind == athenatrail.KindQueryExecution && started[d.ID] {
				r.note(p, &athenatrail.Detail{Kind: d.Kind, ID: d.ID})
			}
		}
	}
	return nil
}
