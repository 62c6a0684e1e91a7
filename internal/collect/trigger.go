package collect

import (
	"context"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/source"
)

// A trigger is what a queue said of an execution.
type trigger struct {
	source.Trigger
	from source.Queue
}

func (t trigger) settle(ctx context.Context, r *run) {
	if err := t.from.Settled(ctx, t.Trigger, nil); err != nil && ctx.Err() == nil {
		r.sum.problem("%v", err)
	}
}

// triggered returns what the queues said of executions.
func (r *run) triggered() (all []trigger) {
	for _, s := range r.sources {
		if queue, ok := s.Source.(source.Queue); ok {
			for _, t := range queue.Triggers() {
				all = append(all, trigger{t, queue})
			}
		}
	}
	return all
}

// triggers adds to wanted the executions that messages say to have changed and
// whose last word the lake does not have, and returns the messages' triggers.
func (r *run) triggers(ctx context.Context, wanted map[athenatrail.Partition][]athenaapi.Wanted) ([]trigger, error) {
	all := r.triggered()
	asked := map[subject]bool{}
	for p, ids := range wanted {
		for _, w := range ids {
			asked[subjectOf(p.Account, p.Region, w.Kind, w.ID)] = true
		}
	}
	for _, t := range all {
		p := athenatrail.NewPartition(t.At, t.Account, t.Region)
		about := subjectOf(p.Account, p.Region, athenatrail.KindQueryExecution, t.QueryExecutionID)
		if asked[about] {
			continue
		}
		asked[about] = true
		final, err := r.isFinal(ctx, p, t.QueryExecutionID)
		if err != nil {
			return nil, err
		}
		if !final {
			wanted[p] = append(wanted[p], athenaapi.Wanted{ID: t.QueryExecutionID, Started: t.At})
			r.sum.Triggered++
		}
	}
	return all, nil
}

// isFinal reports whether the lake holds a final answer about an execution
// that changed on p: it was submitted then, or the day before.
func (r *run) isFinal(ctx context.Context, p athenatrail.Partition, id string) (bool, error) {
	for _, d := range []athenatrail.Date{p.Date, p.Date - 1} {
		for h, err := range lake.ReadAs[held](ctx, r.Lake, lake.Details, p.On(d)) {
			if err != nil {
				return false, err
			}
			if h.ID == id && h.Final {
				return true, nil
			}
		}
	}
	return false, nil
}
